# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
# What an installer pod does with the profile files of its node. POSIX sh and the tools of busybox, nothing else.
#
#   sh installer.sh ROOT CONTENT ANSWER SESSION place keep|force (NUMBER PATH SHA256)...
#   sh installer.sh ROOT CONTENT ANSWER SESSION remove (NUMBER PATH)...
#   sh installer.sh ROOT CONTENT ANSWER SESSION list
#   sh installer.sh ROOT CONTENT ANSWER SESSION remove-tree DIRECTORY
#
# ROOT is the kubelet's directory of profiles, CONTENT/NUMBER the new content of a file. Paths are relative to ROOT and checked
# by the caller; names found below ROOT may hold any byte. ANSWER gets (the grammar is read by answer.py):
#
#   aks-seccomp 1 here|log TOTAL        log: the lines are in the container's log instead, they would not fit
#   NUMBER STATUS SHA256|- DETAIL       place, remove
#   logged ACTION...                    place: the actions of filters that the node's kernel records, where it tells
#   file|link|other|closed SHA256|- SIZE|- NAME   list, remove-tree; closed: a directory that cannot be read; NAME with
#                                                 other bytes than A-Z a-z 0-9 . _ / - is = and its hex digits
#   error DETAIL
#   end
set -u
umask 022
export LC_ALL=C

root=$1 content=$2 answer=$3 session=$4 verb=$5
shift 5

answer_bytes=3800        # the kubelet keeps 4096 of a termination message
hashed_bytes=16777216    # a file that is larger is no profile
listed_files=500
deepest=12
lines='' total=0 why='' temporary='' found=''
newline='
'

trap 'rm -f "$temporary"; exit 143' TERM INT

say() {
    lines="$lines$1$newline"
}

# One line of visible ASCII.
plain() {
    printf '%s' "$1" | tr -c ' -~' ' ' | cut -c 1-160
}

# Run a command; on failure its words are in $why.
try() {
    why=$("$@" 2>&1)
}

hash_of() {
    found=$(sha256sum < "$1") || found=
    found=${found%% *}
}

finish() {
    if [ "${#lines}" -le "$answer_bytes" ]; then
        printf 'aks-seccomp 1 here %s\n%send\n' "$total" "$lines" > "$answer"
    else
        printf '%send\n' "$lines"
        printf 'aks-seccomp 1 log %s\nend\n' "$total" > "$answer"
    fi
}

# The directories above a path must be directories: a link among them would lead elsewhere. With "make" the missing ones are made.
check_parents() {
    directory=$root rest=$1
    while [ "$rest" != "${rest#*/}" ]; do
        directory=$directory/${rest%%/*} rest=${rest#*/}
        if [ -L "$directory" ]; then
            why="${directory#"$root"/} on the node is a symbolic link"
            return 1
        fi
        if [ -e "$directory" ] && [ ! -d "$directory" ]; then
            why="${directory#"$root"/} on the node is not a directory"
            return 1
        fi
        if [ "$2" = make ]; then
            try mkdir -p "$directory" || return 1
        fi
    done
}

write_beside() {
    set -C    # no clobber: the file must not be there, not even as a link
    cat "$1" > "$2" && { sync "$2" 2> /dev/null || :; }
}

# Put $1 (its hash is $3) in the place of $2, in one step: others see the old file or the whole new one.
write_file() {
    temporary=${2%/*}/.new-$session-$number
    why=$(write_beside "$1" "$temporary" 2>&1) || return 1
    hash_of "$temporary"
    if [ "$found" != "$3" ]; then
        why='what was written reads back differently'
        return 1
    fi
    if [ "$4" = force ]; then
        try mv -f "$temporary" "$2" || return 1
    else
        try ln "$temporary" "$2" || return 1    # unlike a rename, a link is never made over a file that came in between
    fi
    rm -f "$temporary"
    sync "${2%/*}" 2> /dev/null || :
    hash_of "$2"
    [ "$found" = "$3" ] || { why='what was placed reads back differently'; return 1; }
}

place_one() {
    number=$2 target=$root/$3 wanted=$4
    if ! check_parents "$3" make; then
        say "$number refused - $(plain "$why")"
    elif [ -L "$target" ]; then
        say "$number refused - a symbolic link is in its place"
    elif [ -e "$target" ] && [ ! -f "$target" ]; then
        say "$number refused - something that is not a file is in its place"
    else
        found=
        [ ! -f "$target" ] || hash_of "$target"
        if [ "$found" = "$wanted" ]; then
            say "$number present $wanted"
        elif [ -f "$target" ] && [ "$1" != force ]; then
            say "$number different ${found:--}"
        elif write_file "$content/$number" "$target" "$wanted" "$1"; then
            say "$number placed $wanted"
        else
            rm -f "$temporary"
            say "$number failed - $(plain "$why")"
        fi
    fi
}

remove_empty_parents() {
    above=$1
    while [ "$above" != "${above%/*}" ]; do
        above=${above%/*}
        rmdir "$root/$above" 2> /dev/null || return 0
    done
}

remove_one() {
    number=$1 target=$root/$2
    if ! check_parents "$2" keep; then
        say "$number refused - $(plain "$why")"
        return
    fi
    rm -f "${target%/*}/.new-$session-"*    # of an installer of this session that was killed while it wrote
    if [ ! -L "$target" ] && [ ! -e "$target" ]; then
        say "$number absent -"
        remove_empty_parents "$2"
    elif [ ! -L "$target" ] && [ ! -f "$target" ]; then
        say "$number refused - it is not a file"
    else
        found=
        [ -L "$target" ] || hash_of "$target"
        if try rm -f "$target"; then
            say "$number removed ${found:--}"
            remove_empty_parents "$2"
        else
            say "$number failed - $(plain "$why")"
        fi
    fi
}

name_of() {
    name=${1#"$root"/}
    case $name in
        *[!A-Za-z0-9._/-]*) name="=$(printf '%s' "$name" | od -A n -v -t x1 | tr -d ' \n')" ;;
    esac
}

tell_of() {
    total=$((total + 1))
    [ "$total" -le "$listed_files" ] || return 0
    name_of "$1"
    if [ -L "$1" ]; then
        say "link - - $name"
    elif [ -f "$1" ]; then
        size=$(stat -c %s "$1") || size=-
        found=
        [ "${size#-}" = '' ] || [ "$size" -gt "$hashed_bytes" ] || hash_of "$1"
        say "file ${found:--} $size $name"
    else
        say "${2:-other} - - $name"
    fi
}

# Root without capabilities is kept out of directories like anybody else, and test -r does not know that in every shell.
is_open() {
    (cd "$1" && ls) > /dev/null 2>&1
}

# Every entry below directory $1, which is at depth $2.
walk() {
    for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
        if [ -d "$entry" ] && [ ! -L "$entry" ] && [ "$2" -lt "$deepest" ]; then
            if is_open "$entry"; then
                walk "$entry" $(($2 + 1))
            else
                tell_of "$entry" closed
            fi
        elif [ -L "$entry" ] || [ -e "$entry" ]; then
            tell_of "$entry"
        fi
    done
}

remove_tree() {
    if [ -L "$root/$1" ]; then
        say "error $1 on the node is a symbolic link"
    elif [ -d "$root/$1" ]; then
        walk "$root/$1" 1
        try rm -rf "$root/$1" || say "error $(plain "$why")"
    fi
}

case $verb in
    place)
        force=$1
        shift
        while [ $# -ge 3 ]; do
            place_one "$force" "$1" "$2" "$3"
            shift 3
        done
        logged=$(cat /proc/sys/kernel/seccomp/actions_logged 2> /dev/null) && say "logged $(plain "$logged")"
        ;;
    remove)
        while [ $# -ge 2 ]; do
            remove_one "$1" "$2"
            shift 2
        done
        ;;
    list) walk "$root" 0 ;;
    remove-tree) remove_tree "$1" ;;
    *) exit 2 ;;
esac
finish
