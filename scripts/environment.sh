# What scripts/test and scripts/quickstart share; to be sourced. Sets nothing but functions.

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# The first Python that is new enough; pyenv's shims answer for versions that they lack.
find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.11 python3.12 python3.13 python3.14 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "needs Python 3.11 or newer; found none (set PYTHON=/path/to/python if there is one)"
}

# make_environment FOLDER: a new virtual environment with a pip of today.
make_environment() {
    local python
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python has no venv module; on Debian and Ubuntu: apt-get install python3-venv"
    rm -rf "$1"
    "$python" -m venv "$1"
    "$1/bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
}

# check_opencv FOLDER: OpenCV needs system libraries that minimal machines lack.
check_opencv() {
    "$1/bin/python" -c 'import cv2' ||
        fail "OpenCV cannot be loaded; on Debian and Ubuntu: apt-get install libgl1 libglib2.0-0"
}

# build_wheel ENVIRONMENT FOLDER: the wheel of this checkout, built by the hatchling of that one.
build_wheel() {
    "$1/bin/python" -m hatchling build -t wheel -d "$2" >/dev/null
}
