/* --------------------------------------------------------------------------------------------
 * Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
 * -------------------------------------------------------------------------------------------- */
/* syscalls|forks COUNT EVERY FILE: the loop's own run time in nanoseconds goes to FILE. Each EVERYth round (0: none) makes a
 * call that RuntimeDefault refuses, unshare(0), which does nothing. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void one_round(int forking, int matches) {
    if (!forking) {
        syscall(matches ? SYS_unshare : SYS_getppid, 0);
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        if (matches)
            syscall(SYS_unshare, 0);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

int main(int count, char **words) {
    if (count != 5)
        return 2;
    int forking = strcmp(words[1], "forks") == 0, rounds = atoi(words[2]), every = atoi(words[3]);
    long long start = now();
    for (int i = 0; i < rounds; i++)
        one_round(forking, every && i % every == 0);
    long long taken = now() - start;
    FILE *file = fopen(words[4], "w");
    if (!file || fprintf(file, "%lld", taken) < 0)
        return 1;
    return fclose(file);
}
