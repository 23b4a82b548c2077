"""`python -m worker` is the command `oss-saveas`."""

from worker.cli.main import main

if __name__ == "__main__":
    main()
