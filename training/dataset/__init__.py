"""Emoji artwork as images with captions: packages -> icons -> premultiplied RGBA + index.json."""
