/* SPDX-License-Identifier: Apache-2.0 */
/* Programs of a copying process: whose they are, what is said when they fail, and that none is left
 * when the copying process is gone. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/clone/clone_pipe.h"
#include "scratch.h"

#define NOBODY 65534
#define DEADLINE_TURNS 1000 /* of 10 ms */

struct place {
    char base[64];
    char log[96];
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    (void)snprintf(p->base, sizeof p->base, "/tmp/tandem-clone-pipe-XXXXXX");
    assert_non_null(mkdtemp(p->base));
    (void)snprintf(p->log, sizeof p->log, "%s/log", p->base);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    scratch_remove(p->base);
    free(p);
    return 0;
}

static struct clone_pipe_config config_of(const struct place *p, char *const *argv)
{
    return (struct clone_pipe_config){.argv = argv,
                                      .kind = CLONE_PIPE_NONE,
                                      .pass_fd = -1,
                                      .log_file = p->log,
                                      .name = "the program",
                                      .missing = "name another one"};
}

static int run(const struct place *p, const char *script, struct errmsg *m)
{
    char shell[] = "/bin/sh", option[] = "-c", text[256];
    char *argv[] = {shell, option, text, NULL};
    struct clone_pipe_config c = config_of(p, argv);
    struct clone_pipe pipe = {.fd = -1};
    int err;
    (void)snprintf(text, sizeof text, "%s", script);
    err = clone_pipe_start(&c, &pipe, m);
    return err == 0 ? clone_pipe_wait(&pipe, &c, m) : err;
}

static void test_failures_are_told(void **state)
{
    const struct place *p = *state;
    struct errmsg m = ERRMSG_INIT;
    assert_int_equal(run(p, "exit 0", &m), 0);
    assert_int_equal(run(p, "echo first >&2; echo its last words >&2; exit 3", &m), ERR_IO);
    assert_non_null(strstr(m.text, "the program failed: its last words"));
    assert_int_equal(run(p, "exec no-such-program-anywhere", &m), ERR_NOTFOUND);
    assert_non_null(strstr(m.text, "no program 'the program' on this host; name another one"));
}

static void test_end_is_seen_without_waiting(void **state)
{
    char program[] = "sleep", time[] = "600";
    char *argv[] = {program, time, NULL};
    struct clone_pipe_config c = config_of(*state, argv);
    struct clone_pipe pipe = {.fd = -1};
    struct errmsg m = ERRMSG_INIT;
    int turns = 0;
    assert_int_equal(clone_pipe_start(&c, &pipe, &m), 0);
    assert_false(clone_pipe_is_over(&pipe));
    assert_int_equal(kill(pipe.pid, SIGKILL), 0);
    while (!clone_pipe_is_over(&pipe) && turns++ < DEADLINE_TURNS)
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_true(clone_pipe_is_over(&pipe));
    assert_int_equal(clone_pipe_wait(&pipe, &c, &m), ERR_IO);
}

/* Of the program itself, -1 while there is none: before that the process may still change. */
static long owner_of_sleep(pid_t pid)
{
    char path[64], name[16] = "";
    struct stat st;
    FILE *f;
    (void)snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    f = fopen(path, "re");
    if (f == NULL)
        return -1;
    if (fgets(name, sizeof name, f) == NULL || fstat(fileno(f), &st) != 0)
        name[0] = '\0';
    (void)fclose(f);
    return strcmp(name, "sleep\n") == 0 ? (long)st.st_uid : -1;
}

/* In a process that ends while its program runs. */
static void leave_one_behind(const struct place *p, int to)
{
    char program[] = "sleep", time[] = "600";
    char *argv[] = {program, time, NULL};
    struct clone_pipe_config c = config_of(p, argv);
    struct clone_pipe pipe = {.fd = -1};
    struct errmsg m = ERRMSG_INIT;
    bool told;
    c.drops = true;
    c.uid = c.gid = NOBODY;
    told = clone_pipe_start(&c, &pipe, &m) == 0 &&
           write(to, &pipe.pid, sizeof pipe.pid) == (ssize_t)sizeof pipe.pid;
    while (told)
        (void)pause();
    _exit(1);
}

/* Its user is another one by then, which the kernel takes for a reason to forget the wish. */
static void test_dies_with_who_started_it(void **state)
{
    long expected = geteuid() == 0 ? NOBODY : (long)geteuid();
    int ends[2], turns = 0;
    pid_t parent, child = 0;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    assert_int_equal(pipe(ends), 0);
    parent = fork();
    if (parent == 0)
        leave_one_behind(*state, ends[1]);
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], &child, sizeof child), sizeof child);
    (void)close(ends[0]);
    while (owner_of_sleep(child) != expected && turns++ < DEADLINE_TURNS)
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_int_equal(owner_of_sleep(child), expected);
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    for (turns = 0; waitpid(child, NULL, WNOHANG) == 0 && turns < DEADLINE_TURNS; turns++)
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    if (turns >= DEADLINE_TURNS)
        (void)kill(child, SIGKILL);
    assert_true(turns < DEADLINE_TURNS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_failures_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end_is_seen_without_waiting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dies_with_who_started_it, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
