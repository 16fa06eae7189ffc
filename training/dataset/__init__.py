"""Emoji artwork as images with captions: packages -> icons -> 64x64 premultiplied RGBA + index.json."""
