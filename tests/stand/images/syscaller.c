/* Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License. */
/*
 * syscaller WORD...: makes system calls and prints what each returned.
 *
 *   NAME        make the call once                  sleep=SECONDS  wait
 *   NAME*N      make it N times, print the last     pause=MILLIS   wait between repeated calls from now on
 *   forever     start again with the first word     fork           do the remaining words in a child, wait for it
 *
 * The calls are made directly, not through the C library's wrappers, so that "mkdir" is mkdir and not mkdirat.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAME_LIMIT 64

static long closing(long descriptor) {
    int saved = errno;
    if (descriptor >= 0) {
        close((int)descriptor);
    }
    errno = saved;
    return descriptor;
}

static long ending_child(long child) {
    if (child == 0) {
        _exit(0);
    }
    if (child > 0) {
        waitpid((pid_t)child, 0, 0);
    }
    return child;
}

static const char *own_path(void) {
    static char path[NAME_LIMIT];
    snprintf(path, sizeof path, "/tmp/syscaller-%d", (int)getpid());
    return path;
}

static long removing(long result) {
    int saved = errno;
    if (result == 0) {
        syscall(SYS_rmdir, own_path());
    }
    errno = saved;
    return result;
}

static long call_mkdir(void) { return removing(syscall(SYS_mkdir, own_path(), 0700)); }
static long call_mkdirat(void) { return removing(syscall(SYS_mkdirat, AT_FDCWD, own_path(), 0700)); }
static long call_chmod(void) { return syscall(SYS_chmod, "/tmp", 01777); }
static long call_fchmodat(void) { return syscall(SYS_fchmodat, AT_FDCWD, "/tmp", 01777); }
static long call_unshare(void) { return syscall(SYS_unshare, CLONE_FS); }
static long call_unshare_user(void) { return syscall(SYS_unshare, CLONE_NEWUSER); }
static long call_mount(void) { return syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, 0); }
static long call_umount(void) { return syscall(SYS_umount2, "/tmp", 0); }
static long call_sethostname(void) { return syscall(SYS_sethostname, "x", 1); }
static long call_ptrace(void) { return syscall(SYS_ptrace, PTRACE_PEEKUSER, 0, 0, 0); }
static long call_keyctl(void) { return syscall(SYS_keyctl, 0, -2, 0); }
static long call_getpid(void) { return syscall(SYS_getpid); }
static long call_gettid(void) { return syscall(SYS_gettid); }
static long call_personality(void) { return syscall(SYS_personality, 0xffffffffUL); }
static long call_personality_other(void) { return syscall(SYS_personality, 0x0400000UL); }
static long call_clone(void) { return ending_child(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); }
static long call_clone_newuser(void) { return ending_child(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)); }
static long call_fork(void) { return ending_child(syscall(SYS_fork)); }
static long call_socket_inet(void) { return closing(syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0)); }
static long call_socket_unix(void) { return closing(syscall(SYS_socket, AF_UNIX, SOCK_DGRAM, 0)); }
static long call_socket_netlink(void) { return closing(syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0)); }
static long call_socket_vsock(void) { return closing(syscall(SYS_socket, AF_VSOCK, SOCK_STREAM, 0)); }
static long call_socket_alg(void) { return closing(syscall(SYS_socket, AF_ALG, SOCK_SEQPACKET, 0)); }
static long call_bpf(void) { return closing(syscall(SYS_bpf, -1, 0, 0)); }
static long call_perf_event_open(void) { return closing(syscall(SYS_perf_event_open, 0, 0, -1, -1, 0)); }
static long call_setns(void) { return syscall(SYS_setns, -1, 0); }
static long call_reboot(void) { return syscall(SYS_reboot, 0, 0, 0, 0); } /* wrong magic: never reboots */

static long call_clone3(void) {
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    return ending_child(syscall(SYS_clone3, &arguments, sizeof arguments));
}

static long call_io_uring_setup(void) {
    char parameters[256] = {0};
    return closing(syscall(SYS_io_uring_setup, 1, parameters));
}

static void *nothing(void *argument) { return argument; }

static long call_thread(void) { /* the C library's own way: clone3, then clone when that answers ENOSYS */
    pthread_t thread;
    int error = pthread_create(&thread, 0, nothing, 0);
    if (error) {
        errno = error;
        return -1;
    }
    pthread_join(thread, 0);
    return 0;
}

static const struct {
    const char *name;
    long (*make)(void);
} calls[] = {
    {"mkdir", call_mkdir},
    {"mkdirat", call_mkdirat},
    {"chmod", call_chmod},
    {"fchmodat", call_fchmodat},
    {"unshare", call_unshare},
    {"unshare_user", call_unshare_user},
    {"mount", call_mount},
    {"umount2", call_umount},
    {"sethostname", call_sethostname},
    {"ptrace", call_ptrace},
    {"keyctl", call_keyctl},
    {"getpid", call_getpid},
    {"gettid", call_gettid},
    {"personality", call_personality},
    {"personality_other", call_personality_other},
    {"clone", call_clone},
    {"clone_newuser", call_clone_newuser},
    {"clone3", call_clone3},
    {"fork_call", call_fork},
    {"socket_inet", call_socket_inet},
    {"socket_unix", call_socket_unix},
    {"socket_netlink", call_socket_netlink},
    {"socket_vsock", call_socket_vsock},
    {"socket_alg", call_socket_alg},
    {"io_uring_setup", call_io_uring_setup},
    {"bpf", call_bpf},
    {"perf_event_open", call_perf_event_open},
    {"setns", call_setns},
    {"reboot", call_reboot},
    {"thread", call_thread},
};

static long pause_milliseconds;

static void wait_milliseconds(long milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, 0);
}

static int repeat(const char *name, size_t length, long times) {
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (strlen(calls[i].name) != length || strncmp(calls[i].name, name, length) != 0) {
            continue;
        }
        long result = 0;
        errno = 0;
        while (times-- > 0) {
            result = calls[i].make();
            if (pause_milliseconds) {
                int saved = errno;
                wait_milliseconds(pause_milliseconds);
                errno = saved;
            }
        }
        printf("%.*s = %ld%s%s\n", (int)length, name, result, result < 0 ? " " : "", result < 0 ? strerror(errno) : "");
        return 0;
    }
    fprintf(stderr, "syscaller: no call %.*s\n", (int)length, name);
    return 2;
}

int main(int count, char **words) {
    setvbuf(stdout, 0, _IOLBF, 0);
    for (int i = 1; i < count; i++) {
        const char *word = words[i];
        const char *star = strchr(word, '*');
        if (strncmp(word, "sleep=", 6) == 0) {
            wait_milliseconds((long)(atof(word + 6) * 1000));
        } else if (strncmp(word, "pause=", 6) == 0) {
            pause_milliseconds = atol(word + 6);
        } else if (strcmp(word, "forever") == 0) {
            i = 0;
        } else if (strcmp(word, "fork") == 0) {
            int status = 0;
            pid_t child = fork();
            if (child != 0) {
                waitpid(child, &status, 0);
                return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            }
        } else {
            size_t length = star ? (size_t)(star - word) : strlen(word);
            int failed = repeat(word, length, star ? atol(star + 1) : 1);
            if (failed) {
                return failed;
            }
        }
    }
    return 0;
}
