# shellcheck shell=bash
# Finds llvm-cov and llvm-profdata that understand the profiles of this rustc; source it after
# env.sh.
#
# The compiler writes profiles in the format of its own LLVM, so tools of that major version are
# asked for: from the environment, from the toolchain, or from the system under a versioned name.

valk_llvm_major() { rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p'; }

# Where the toolchain component puts its tools.
valk_llvm_component_dir() {
    printf '%s/bin\n' "$(dirname -- "$(rustc --print target-libdir)")"
}

# Sets and exports LLVM_COV and LLVM_PROFDATA; false when there are none.
valk_find_llvm() {
    local component major
    if [[ -n ${LLVM_COV:-} && -n ${LLVM_PROFDATA:-} ]]; then
        export LLVM_COV LLVM_PROFDATA
        return 0
    fi
    component=$(valk_llvm_component_dir)
    major=$(valk_llvm_major)
    if [[ -x $component/llvm-cov && -x $component/llvm-profdata ]]; then
        export LLVM_COV=$component/llvm-cov LLVM_PROFDATA=$component/llvm-profdata
    elif command -v "llvm-cov-$major" "llvm-profdata-$major" >/dev/null; then
        LLVM_COV=$(command -v "llvm-cov-$major")
        LLVM_PROFDATA=$(command -v "llvm-profdata-$major")
        export LLVM_COV LLVM_PROFDATA
    else
        return 1
    fi
}

# Compiles, runs and reports one small program; true only if a branch count comes out.
valk_try_llvm() (
    scratch=$(mktemp -d)
    trap 'rm -rf -- "$scratch"' EXIT
    cd -- "$scratch" || exit 1
    echo 'fn main() { if std::env::args().count() > 1 { println!("more"); } }' >probe.rs
    RUSTC_BOOTSTRAP=1 rustc -Cinstrument-coverage -Zcoverage-options=branch probe.rs &&
        LLVM_PROFILE_FILE=probe.profraw ./probe &&
        "$LLVM_PROFDATA" merge -sparse probe.profraw -o probe.profdata &&
        "$LLVM_COV" export -instr-profile=probe.profdata probe >probe.json &&
        grep -q '"branches":{"count":2,"covered":1' probe.json
)
