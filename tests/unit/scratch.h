/* SPDX-License-Identifier: Apache-2.0 */
/* A test's own directory, gone with all that is in it when the call returns. */
#ifndef TANDEM_TESTS_UNIT_SCRATCH_H
#define TANDEM_TESTS_UNIT_SCRATCH_H

#include <sys/wait.h>
#include <unistd.h>

static inline void scratch_remove(const char *dir)
{
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", dir, (char *)NULL);
        _exit(1);
    }
    (void)waitpid(pid, NULL, 0);
}

#endif
