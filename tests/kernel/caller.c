/* --------------------------------------------------------------------------------------------
 * Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
 * -------------------------------------------------------------------------------------------- */
/* Makes one harmless system call (sched_get_priority_max) an exact number of times, in every way that processes have. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static int times;

static void call(int count) {
    for (int i = 0; i < count; i++)
        syscall(SYS_sched_get_priority_max, 0);
}

static void *thread(void *unused) {
    call(times);
    return unused;
}

static int wait_for_all(void) {
    int status, failed = 0;
    while (wait(&status) > 0)
        failed |= status;
    return failed != 0;
}

/* Everybody calls once and forks twice, down to a depth. */
static int storm(int depth) {
    call(1);
    for (int i = 0; i < 2 && depth > 0; i++)
        if (fork() == 0)
            exit(storm(depth - 1));
    return wait_for_all();
}

/* Each image calls once and becomes the next. */
static int exec_again(const char *path, int left) {
    char number[16];
    call(1);
    if (left == 0)
        return 0;
    snprintf(number, sizeof number, "%d", left - 1);
    execl(path, path, "execs", number, (char *)NULL);
    return 1;
}

static void handler(int signal_number) { (void)signal_number; }

/* Calls while a timer interrupts all the time; tells how many calls returned EINTR. */
static int interrupted(int restart) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0};
    struct itimerval timer = {{0, 300}, {0, 300}};
    int broken = 0;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    for (int i = 0; i < times; i++)
        broken += syscall(SYS_sched_get_priority_max, 0) == -1 && errno == EINTR;
    memset(&timer, 0, sizeof timer);
    setitimer(ITIMER_REAL, &timer, NULL);
    printf("%d\n", broken);
    return 0;
}

/* A process may call itself what it likes. */
static int renamed(const char *name) {
    prctl(PR_SET_NAME, name);
    call(1);
    return 0;
}

static void on_sigsys(int signal_number) {
    (void)signal_number;
    static const char text[] = "caught\n";
    if (write(1, text, sizeof text - 1) < 0)
        _exit(2);
}

/* Makes plans for SIGSYS before it calls. */
static int with_sigsys(const char *plan) {
    sigset_t set;
    if (strcmp(plan, "caught") == 0)
        signal(SIGSYS, on_sigsys);
    if (strcmp(plan, "ignored") == 0)
        signal(SIGSYS, SIG_IGN);
    if (strcmp(plan, "blocked") == 0) {
        sigemptyset(&set);
        sigaddset(&set, SIGSYS);
        sigprocmask(SIG_BLOCK, &set, NULL);
    }
    call(1);
    return 0;
}

int main(int count, char **words) {
    const char *way = count > 1 ? words[1] : "";
    int number = count > 2 ? atoi(words[2]) : 0;
    times = count > 3 ? atoi(words[3]) : number;
    if (strcmp(way, "calls") == 0)
        return call(number), 0;
    if (strcmp(way, "threads") == 0) {
        pthread_t ids[256];
        for (int i = 0; i < number; i++)
            if (pthread_create(&ids[i], NULL, thread, NULL))
                return 1;
        for (int i = 0; i < number; i++)
            pthread_join(ids[i], NULL);
        return 0;
    }
    if (strcmp(way, "children") == 0) {
        for (int i = 0; i < number; i++)
            if (fork() == 0)
                return call(times), 0;
        return wait_for_all();
    }
    if (strcmp(way, "storm") == 0)
        return storm(number);
    if (strcmp(way, "execs") == 0)
        return exec_again(words[0], number);
    if (strcmp(way, "interrupted") == 0)
        return interrupted(number);
    if (strcmp(way, "renamed") == 0)
        return renamed(words[2]);
    if (strcmp(way, "sigsys") == 0)
        return with_sigsys(words[2]);
    if (strcmp(way, "result") == 0)
        return syscall(SYS_sched_get_priority_max, 0) < 0 ? errno : 0;
    if (strcmp(way, "daemon") == 0) { /* leaves a process that belongs to nobody */
        if (fork() == 0 && setsid() > 0 && fork() == 0)
            return pause();
        return 0;
    }
#ifdef __x86_64__
    if (strcmp(way, "i386") == 0) { /* number 159 there */
        long result;
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(159), "b"(0) : "memory");
        return 0;
    }
    if (strcmp(way, "x32") == 0)
        return syscall(0x40000000 + SYS_sched_get_priority_max, 0), 0;
#endif
    fprintf(stderr, "unknown way %s\n", way);
    return 2;
}
