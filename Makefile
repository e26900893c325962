# The front door; tools/make.sh does the work. See CONTRIBUTING.md.
#   make          release build: build/containment-chamber
#   make demo     builds, and shows a signature and a refusal
#   make check    unit tests, replayed fuzz corpora and lint: the fast loop
#   make demo-enclave   the same in an emulated enclave, verified from outside
#   make test     everything, as CI does
#   make test-enclave   the image in an emulated enclave, alone
#   make eif      the enclave's image: build/enclave.eif and build/measurements.json; signed with
#                 SIGNING_KEY=FILE SIGNING_CERTIFICATE=FILE
#   make reproducible   builds the image twice, elsewhere and as somebody else, and compares
#   make bench    measures against the bare BLS signature
#   make bench-enclave   measures the enclave's image, its parent and attested TLS
#   make fuzz asan tsan valgrind analyze lint     one kind of test alone
#   make clean    removes the build folders
targets := all demo demo-enclave check test test-enclave eif reproducible bench bench-enclave fuzz asan tsan valgrind \
           analyze lint clean

.PHONY: $(targets)
.DEFAULT_GOAL := all
$(targets):
	@tools/make.sh $@
