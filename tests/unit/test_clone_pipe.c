/* SPDX-License-Identifier: Apache-2.0 */
/* Programs of a copying process: whose they are, what is said when they fail, and that none is left
 * when the copying process is gone. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/clone/clone_pipe.h"

#define NOBODY 65534
#define DEADLINE_MS 10000

static int make_log(void **state)
{
    char *log = strdup("/tmp/tandem-clone-pipe-XXXXXX");
    int fd = log == NULL ? -1 : mkstemp(log);
    *state = log;
    return fd < 0 || close(fd) != 0;
}

static int remove_log(void **state)
{
    int rc = unlink(*state);
    free(*state);
    return rc;
}

static struct clone_pipe_config config_of(const char *log, char *const *argv)
{
    return (struct clone_pipe_config){.argv = argv,
                                      .pass_fd = -1,
                                      .log_file = log,
                                      .name = "the program",
                                      .missing = "name another one"};
}

static int run(const char *log, const char *script, struct errmsg *m)
{
    char shell[] = "/bin/sh", option[] = "-c", text[256];
    char *argv[] = {shell, option, text, NULL};
    struct clone_pipe_config c = config_of(log, argv);
    struct clone_pipe pipe = {.fd = -1};
    int err;
    (void)snprintf(text, sizeof text, "%s", script);
    err = clone_pipe_start(&c, &pipe, m);
    return err == 0 ? clone_pipe_wait(&pipe, &c, m) : err;
}

static void test_failures_are_told(void **state)
{
    struct errmsg m = ERRMSG_INIT;
    assert_int_equal(run(*state, "exit 0", &m), 0);
    assert_int_equal(run(*state, "echo first >&2; echo its last words >&2; exit 3", &m), ERR_IO);
    assert_non_null(strstr(m.text, "the program failed: its last words"));
    assert_int_equal(run(*state, "exec no-such-program-anywhere", &m), ERR_NOTFOUND);
    assert_non_null(strstr(m.text, "no program 'the program' on this host; name another one"));
}

/* Waits for its end without taking it. */
static bool ends_in_time(pid_t pid)
{
    struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    bool ended = end.fd >= 0 && poll(&end, 1, DEADLINE_MS) == 1;
    if (end.fd >= 0)
        (void)close(end.fd);
    return ended;
}

static void test_end_is_seen_without_waiting(void **state)
{
    char program[] = "sleep", seconds[] = "600";
    char *argv[] = {program, seconds, NULL};
    struct clone_pipe_config c = config_of(*state, argv);
    struct clone_pipe pipe = {.fd = -1};
    struct errmsg m = ERRMSG_INIT;
    assert_int_equal(clone_pipe_start(&c, &pipe, &m), 0);
    assert_false(clone_pipe_is_over(&pipe));
    assert_int_equal(kill(pipe.pid, SIGKILL), 0);
    assert_true(ends_in_time(pipe.pid));
    assert_true(clone_pipe_is_over(&pipe));
    assert_int_equal(clone_pipe_wait(&pipe, &c, &m), ERR_IO);
}

struct left {
    pid_t pid;
    char user[16]; /* as whom it runs, as it says itself */
};

/* In a process that is killed while its program runs. */
static void leave_one_behind(const char *log, int to)
{
    char shell[] = "/bin/sh", option[] = "-c", script[] = "id -u; exec sleep 600";
    char *argv[] = {shell, option, script, NULL};
    struct clone_pipe_config c = config_of(log, argv);
    struct clone_pipe pipe = {.fd = -1};
    struct errmsg m = ERRMSG_INIT;
    struct left left;
    memset(&left, 0, sizeof left);
    c.kind = CLONE_PIPE_READ;
    c.drops = true;
    c.uid = c.gid = NOBODY;
    if (clone_pipe_start(&c, &pipe, &m) != 0 || read(pipe.fd, left.user, sizeof left.user - 1) <= 0)
        _exit(1);
    left.pid = pipe.pid;
    if (write(to, &left, sizeof left) != (ssize_t)sizeof left)
        _exit(1);
    for (;;)
        (void)pause();
}

/* Its user is another one by then, which the kernel takes for a reason to forget the wish. */
static void test_dies_with_who_started_it(void **state)
{
    uid_t expected = geteuid() == 0 ? NOBODY : geteuid();
    struct left left;
    int ends[2];
    bool ended;
    pid_t parent;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    assert_int_equal(pipe(ends), 0);
    parent = fork();
    if (parent == 0)
        leave_one_behind(*state, ends[1]);
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], &left, sizeof left), sizeof left);
    (void)close(ends[0]);
    assert_int_equal(strtoul(left.user, NULL, 10), expected);
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    ended = ends_in_time(left.pid);
    if (!ended)
        (void)kill(left.pid, SIGKILL);
    assert_int_equal(waitpid(left.pid, NULL, 0), left.pid);
    assert_true(ended);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_failures_are_told, make_log, remove_log),
        cmocka_unit_test_setup_teardown(test_end_is_seen_without_waiting, make_log, remove_log),
        cmocka_unit_test_setup_teardown(test_dies_with_who_started_it, make_log, remove_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
