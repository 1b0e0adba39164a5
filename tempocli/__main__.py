"""``python -m tempocli`` is ``tempo``."""

from tempocli.cli import main

if __name__ == "__main__":
    main()
