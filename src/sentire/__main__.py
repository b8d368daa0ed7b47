"""``python -m sentire`` is the ``sentire`` command."""

from sentire.cli.main import main

if __name__ == "__main__":
    main()
