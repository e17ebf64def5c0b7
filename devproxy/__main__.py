"""The `devproxy` command."""

from devproxy.cli.console import run_cli


def main() -> None:
    """Run the command line; never returns."""
    run_cli()


if __name__ == "__main__":
    main()
