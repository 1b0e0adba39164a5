"""Run ``tempo`` by ``python -m tempocli``."""

from tempocli.cli import main

if __name__ == "__main__":
    main()
