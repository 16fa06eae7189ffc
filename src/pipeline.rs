//! Text to image: from a prompt to a picture, one step at a time.
