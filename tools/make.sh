#!/usr/bin/env bash
# What the Makefile's targets do. Each build variant has a folder of its own; tools/packages.sh installs what a
# target needs. `make test` runs all stages, goes on after one that fails, and names those at its end.
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=$(nproc)
# Debian's, which has Debian's modules; without it, the first on PATH.
python=/usr/bin/python3
[ -x "$python" ] || python=python3
# Numbers do not wrap here, so that a signed overflow is seen; in the product they do.
sanitize=(-Db_lundef=false -Dc_args='-fno-sanitize-recover=all -fno-wrapv')
# The analyzer of gcc 12 loses what is stored by an index and takes it for leaked; leaks are for asan and
# valgrind to find, which run the same code.
analyze=(-Dc_args='-fanalyzer -Wno-analyzer-malloc-leak')

# ---------------------------------------------------------------------------------------------- variants

# Makes a build folder; again when its options have changed, and meson looks again when tools have come.
configure() { # folder compiler option...
    local folder=$1 compiler=$2 tools
    shift 2
    tools=$(command -v valgrind || true)
    if [ "$(cat "$folder/chamber-options" 2>/dev/null)" != "$compiler $*" ]; then
        rm -rf "$folder"
        CC=$compiler meson setup "$folder" "$@"
        echo "$compiler $*" >"$folder/chamber-options"
    elif [ "$(cat "$folder/chamber-tools" 2>/dev/null)" != "$tools" ]; then
        meson setup --reconfigure "$folder"
    fi
    echo "$tools" >"$folder/chamber-tools"
}

build_gcc() { # target...; none: all
    configure build gcc
    ninja -C build -j "$jobs" "$@"
}

# The program alone, without its tests; all of a tree that has no program.
build_program() {
    configure build gcc
    # Not grep -q: it ends at the first line that fits, and ninja then fails for want of a reader.
    if ninja -C build -t targets all | grep '^containment-chamber: ' >/dev/null; then
        build_gcc containment-chamber
    else
        build_gcc
    fi
}

# The enclave's image, signed when SIGNING_KEY and SIGNING_CERTIFICATE are given.
build_image() { # option...
    build_gcc containment-chamber
    "$python" tools/build_image.py "$@"
}

build_clang() {
    configure build-clang clang
    ninja -C build-clang -j "$jobs"
}

build_asan() {
    configure build-asan gcc -Db_sanitize=address,undefined "${sanitize[@]}"
    ninja -C build-asan -j "$jobs"
}

build_tsan() {
    configure build-tsan clang -Db_sanitize=thread "${sanitize[@]}"
    ninja -C build-tsan -j "$jobs"
}

# ------------------------------------------------------------------------------------------------ stages

suites() { # folder option...
    local folder=$1
    shift
    meson test -C "$folder" --no-rebuild --print-errorlogs --num-processes "$jobs" "$@"
}

# The sanitizers of Debian 12 do not know the address spaces of newer kernels; where the kernel lets us,
# their programs run without randomised addresses.
without_randomisation() {
    if setarch -R true 2>/dev/null; then
        setarch -R "$@"
    else
        "$@"
    fi
}

sanitized() { # command...
    ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1 \
        UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=second_deadlock_stack=1 \
        without_randomisation "$@"
}

sanitized_suites() { # folder option...
    local folder=$1
    shift
    sanitized meson test -C "$folder" --no-rebuild --print-errorlogs \
        --num-processes "$jobs" --timeout-multiplier 5 --no-suite lint "$@"
}

# The tests of the running program, with that of the given build; their tools are the release build's.
integration() { # folder runner...
    local folder=$1
    shift
    CHAMBER_BINARY=$PWD/$folder/containment-chamber "$@" "$python" -m pytest -q -p no:cacheprovider \
        --durations=10 tests/integration
}

stage_gcc() {
    build_gcc
    suites build
}

stage_clang() {
    build_clang
    suites build-clang --suite unit
}

stage_asan() {
    build_asan
    sanitized_suites build-asan
}

stage_tsan() {
    build_tsan
    sanitized_suites build-tsan --no-suite oracle --no-suite fuzz # these have no threads
}

stage_valgrind() {
    build_gcc
    suites build --setup valgrind --suite unit
}

# clang-tidy over what is compiled of src/. It wants clang's compile commands, and blst's headers, which the
# build generates.
stage_tidy() {
    build_clang
    jq -r '.[].file' build-clang/compile_commands.json | sed -n 's#^\.\./src/#src/#p' | sort -u |
        xargs -P "$jobs" -n 4 clang-tidy -p build-clang --quiet
}

# gcc's analyzer over src/: compiles its objects only.
stage_analyze() {
    configure build-analyze gcc "${analyze[@]}"
    ninja -C build-analyze -t targets all |
        sed -n 's/^\(src\/.*\.o\|containment-chamber\.p\/.*\.o\|chamber-enclave\.p\/.*\.o\): c_COMPILER$/\1/p' |
        xargs ninja -C build-analyze -j "$jobs"
}

stage_integration() {
    build_gcc
    integration build env
}

stage_integration_asan() {
    build_gcc
    build_asan
    integration build-asan sanitized
}

stage_integration_tsan() {
    build_gcc
    build_tsan
    integration build-tsan sanitized
}

# The emulated enclave. What it is made of is built at the first time on a machine, which takes minutes.
stage_enclave() {
    build_gcc containment-chamber tests/oracle/bls/bls_tool tests/enclave/guest/chamber-enclave-guest
    "$python" tools/build_emulator.py >/dev/null
    "$python" -m pytest -q -p no:cacheprovider --durations=10 tests/enclave
}

# The image again, elsewhere and by somebody else.
stage_reproducible() {
    build_gcc containment-chamber
    "$python" tools/reproducible.py
}

# The lines of a failed stage's log that say what failed: of meson, pytest, compilers and sanitizers.
what_failed() { # name log
    echo "=== what failed in $1"
    grep -aE '^not ok|: not ok|FAILED|FAIL |TIMEOUT|^ERROR|error:|warning:|Sanitizer:|Error ' "$2" |
        cut -c 1-300 | tail -n 20 || tail -n 20 "$2"
}

# Runs stages in turn, whatever becomes of each; the last lines say what failed, how it went and how long each
# took. Each is a shell of its own: within a condition, bash would go on after errors.
run_stages() { # name...
    local name begin summary='' failed=() total=$SECONDS logs
    logs=$(mktemp -d)
    for name in "$@"; do
        begin=$SECONDS
        echo "=== $name"
        if ! tools/make.sh "$name" 2>&1 | tee "$logs/$name"; then
            failed+=("$name")
        fi
        summary+=", $name $((SECONDS - begin))s"
    done
    for name in "${failed[@]}"; do
        what_failed "$name" "$logs/$name"
    done
    rm -rf "$logs"
    summary="${summary#, }, all $((SECONDS - total))s"
    if [ ${#failed[@]} -gt 0 ]; then
        echo "test: FAILED: ${failed[*]} ($summary)"
        return 1
    fi
    echo "test: passed ($summary)"
}

# ----------------------------------------------------------------------------------------------- fuzzing

# Each target for FUZZ_SECONDS (60), from its corpus; what it finds stays below build-fuzz/.
fuzz() {
    configure build-fuzz clang -Dfuzzing=true -Db_sanitize=address,undefined "${sanitize[@]}"
    local targets target name found
    mapfile -t targets < <(ninja -C build-fuzz -t targets all |
        sed -n 's/^\(tests\/fuzz\/fuzz_[a-z0-9_]*\): .*/\1/p')
    if [ ${#targets[@]} -eq 0 ]; then
        echo "make.sh: there are no fuzz targets in the build" >&2
        return 1
    fi
    ninja -C build-fuzz -j "$jobs" "${targets[@]}"
    for target in "${targets[@]}"; do
        name=${target##*/fuzz_}
        found=build-fuzz/found/$name
        mkdir -p "$found"
        echo "=== fuzz $name"
        without_randomisation "build-fuzz/$target" -max_total_time="${FUZZ_SECONDS:-60}" \
            -print_final_stats=1 -artifact_prefix="$found-" "$found" "tests/fuzz/corpus/$name"
    done
}

case ${1:-all} in
all)
    tools/packages.sh build
    build_program
    ;;
check)
    tools/packages.sh build scripts test
    build_gcc
    suites build --suite unit --suite fuzz --suite lint
    ;;
test)
    tools/packages.sh build scripts test enclave
    run_stages gcc clang asan tsan valgrind analyze tidy integration integration_asan integration_tsan \
        enclave reproducible
    ;;
gcc | clang | asan | tsan | valgrind | analyze | tidy | integration | integration_asan | integration_tsan)
    tools/packages.sh build scripts test
    "stage_$1"
    ;;
eif)
    tools/packages.sh build enclave
    build_image ${SIGNING_KEY:+--signing-key "$SIGNING_KEY"} \
        ${SIGNING_CERTIFICATE:+--signing-certificate "$SIGNING_CERTIFICATE"}
    ;;
reproducible)
    tools/packages.sh build enclave
    stage_reproducible
    ;;
enclave | test-enclave)
    tools/packages.sh build scripts test enclave
    stage_enclave
    ;;
lint)
    tools/packages.sh build scripts test
    build_gcc
    suites build --suite lint
    stage_tidy
    ;;
fuzz)
    tools/packages.sh build scripts test
    fuzz
    ;;
demo)
    tools/packages.sh build scripts
    build_gcc containment-chamber tests/oracle/bls/bls_tool
    "$python" tests/demo/demo.py
    ;;
demo-enclave)
    tools/packages.sh build scripts enclave
    build_gcc containment-chamber tests/oracle/bls/bls_tool
    "$python" tools/build_emulator.py >/dev/null
    "$python" tools/build_image.py --development --emulated
    "$python" tests/demo/demo_enclave.py build/enclave-development-emulated.eif
    ;;
bench)
    tools/packages.sh build scripts
    build_gcc containment-chamber tests/oracle/bls/bls_tool
    "$python" tests/bench/run.py
    ;;
bench-enclave)
    tools/packages.sh build scripts test enclave
    build_gcc containment-chamber tests/oracle/bls/bls_tool tests/support/attested_server
    "$python" tools/build_emulator.py >/dev/null
    "$python" tests/bench/enclave.py
    ;;
clean)
    rm -rf build build-*
    ;;
*)
    echo "make.sh: no target $1" >&2
    exit 2
    ;;
esac
