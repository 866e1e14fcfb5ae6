"""`python -m tam_video` is `tam-video`."""

from tam_video.cli import main

if __name__ == "__main__":
    main()
