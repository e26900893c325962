"""A signer that all cases of a module share, for those that do not get into each other's way."""
from signer import Signer

# What the sanitizers' runtimes write; some of it does not end the program.
COMPLAINTS = ["runtime error: ", "Sanitizer: "]


def shared_signer(tmp_path_factory, **options):
    """The body of a module's fixture. In the end the signer must stop in order, without a sanitizer's complaint."""
    signer = Signer(folder=tmp_path_factory.mktemp("shared"), **options)
    try:
        yield signer.start()
        assert signer.stop() == 0
        assert not [complaint for complaint in COMPLAINTS if complaint in signer.log_text()]
    finally:
        signer.kill()
