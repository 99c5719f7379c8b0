/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sys/hooks.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 10000

struct world {
    uv_loop_t loop;
    uv_timer_t limit;
    struct hooks *hooks;
    char dir[64];
    char script[96];
    char calls[96];
    char file[96];
    char log[16384]; /* ids and texts */
    bool closed;
};

static void world_log(void *data, enum log_level level, const char *id, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static void world_log(void *data, enum log_level level, const char *id, const char *fmt, ...)
{
    struct world *w = data;
    size_t at = strlen(w->log);
    va_list ap;
    (void)level;
    at += (size_t)snprintf(w->log + at, sizeof w->log - at, "%s ", id);
    va_start(ap, fmt);
    at += (size_t)vsnprintf(w->log + at, sizeof w->log - at, fmt, ap);
    va_end(ap);
    (void)snprintf(w->log + at, sizeof w->log - at, "\n");
}

static void world_script(struct world *w, const char *body)
{
    FILE *f = fopen(w->script, "we");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\ncd %s\n%s\n", w->dir, body);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(w->script, 0700), 0);
}

static void world_open(struct world *w, const char *body, uint32_t timeout_ms)
{
    struct errmsg msg;
    memset(w, 0, sizeof *w);
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/test_hooks.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    (void)snprintf(w->script, sizeof w->script, "%s/script", w->dir);
    (void)snprintf(w->calls, sizeof w->calls, "%s/calls", w->dir);
    (void)snprintf(w->file, sizeof w->file, "%s/state", w->dir);
    if (body != NULL)
        world_script(w, body);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(uv_timer_init(&w->loop, &w->limit), 0);
    w->limit.data = w;
    assert_int_equal(hooks_open(&(struct hooks_config){.loop = &w->loop,
                                                       .log = {world_log, w},
                                                       .script = w->script,
                                                       .state_file = w->file,
                                                       .type = "INSTANCE",
                                                       .name = "demo",
                                                       .priority = 100,
                                                       .timeout_ms = timeout_ms},
                                &msg, &w->hooks),
                     0);
}

static void world_on_done(void *data)
{
    struct world *w = data;
    w->closed = true;
    uv_close((uv_handle_t *)&w->limit, NULL);
}

static void world_on_limit(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("waited too long");
}

/* Turns the loop until `text` is `times` times in the log. */
static void world_wait(struct world *w, const char *text, unsigned times)
{
    (void)uv_timer_start(&w->limit, world_on_limit, WAIT_MS, 0);
    for (;;) {
        unsigned n = 0;
        for (const char *p = w->log; (p = strstr(p, text)) != NULL; p++)
            n++;
        if (n >= times)
            return;
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    }
}

static void world_close(struct world *w, uint32_t grace_ms)
{
    (void)uv_timer_start(&w->limit, world_on_limit, WAIT_MS, 0);
    hooks_close(w->hooks, grace_ms, world_on_done, w);
    assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
    assert_true(w->closed);
    assert_int_equal(uv_loop_close(&w->loop), 0);
}

static const char *read_file(const char *path, char *buf, size_t size)
{
    FILE *f = fopen(path, "re");
    size_t n = f != NULL ? fread(buf, 1, size - 1, f) : 0;
    buf[n] = '\0';
    if (f != NULL)
        (void)fclose(f);
    return buf;
}

static void world_clean(struct world *w)
{
    char path[128];
    static const char *const names[] = {"script", "calls", "state", "go", "ready", "child", "oom"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", w->dir, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(w->dir), 0);
}

/* As Keepalived does: the state's own script has the arguments that it is written with, the other
 * one four more. */
static void test_scripts_of_states(void **state)
{
    struct world w;
    struct errmsg msg;
    char own[128], all[128], got[256];
    (void)state;
    world_open(&w, "echo \"$# $*\" >>calls", 5000);
    hooks_close(w.hooks, 0, NULL, NULL);
    (void)snprintf(own, sizeof own, "%s one 'two three'", w.script);
    (void)snprintf(all, sizeof all, "%s -x", w.script);
    assert_int_equal(hooks_open(&(struct hooks_config){.loop = &w.loop,
                                                       .log = {world_log, &w},
                                                       .script = all,
                                                       .of_state = {{"MASTER", own}, {"FAULT", ""}},
                                                       .state_file = "",
                                                       .type = "GROUP",
                                                       .name = "VG_1",
                                                       .priority = 100,
                                                       .timeout_ms = 5000},
                                &msg, &w.hooks),
                     0);
    hooks_state(w.hooks, "MASTER");
    world_wait(&w, "hook-done", 2);
    hooks_state(w.hooks, "FAULT");
    world_wait(&w, "hook-done", 3);
    hooks_state(w.hooks, "MASTER");
    world_close(&w, 5000);
    assert_string_equal(read_file(w.calls, got, sizeof got),
                        "2 one two three\n5 -x GROUP VG_1 MASTER 100\n"
                        "5 -x GROUP VG_1 FAULT 100\n"
                        "2 one two three\n5 -x GROUP VG_1 MASTER 100\n");
    world_clean(&w);
}

static void test_arguments_and_file(void **state)
{
    struct world w;
    char got[256];
    (void)state;
    world_open(&w, "echo \"$# $*\" >>calls; echo hello; echo trouble >/dev/stderr", 5000);
    hooks_state(w.hooks, "MASTER");
    world_wait(&w, "hook-done", 1);
    hooks_state(w.hooks, "MASTER");
    hooks_state(w.hooks, "BACKUP");
    world_close(&w, 5000);
    assert_string_equal(read_file(w.calls, got, sizeof got),
                        "4 INSTANCE demo MASTER 100\n4 INSTANCE demo BACKUP 100\n");
    assert_string_equal(read_file(w.file, got, sizeof got), "BACKUP\n");
    assert_non_null(strstr(w.log, "hook-output the notify script says state=MASTER text='hello'"));
    assert_non_null(strstr(w.log, "state=BACKUP text='trouble'"));
    assert_null(strstr(w.log, "hook-failed"));
    world_clean(&w);
}

static const char WAITS_FOR_GO[] =
    "echo \"+$3\" >>calls; echo ready; while [ ! -e go ]; do sleep 0.01; done; "
    "echo \"-$3\" >>calls";

static void world_go(const struct world *w)
{
    char path[128];
    FILE *f;
    (void)snprintf(path, sizeof path, "%s/go", w->dir);
    f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
}

/* The script of that state runs, until world_go(). */
static void world_open_busy(struct world *w, const char *first)
{
    world_open(w, WAITS_FOR_GO, 9000);
    hooks_state(w->hooks, first);
    world_wait(w, "text='ready'", 1);
}

/* What comes while one runs is told after it, in order, also what was there before; they never
 * overlap. */
static void test_every_state_is_told(void **state)
{
    struct world w;
    char got[256];
    (void)state;
    world_open_busy(&w, "MASTER");
    hooks_state(w.hooks, "BACKUP");
    hooks_state(w.hooks, "FAULT");
    hooks_state(w.hooks, "MASTER");
    world_go(&w);
    world_wait(&w, "hook-done", 4);
    world_close(&w, 9000);
    assert_string_equal(read_file(w.calls, got, sizeof got),
                        "+MASTER\n-MASTER\n+BACKUP\n-BACKUP\n+FAULT\n-FAULT\n"
                        "+MASTER\n-MASTER\n");
    assert_string_equal(read_file(w.file, got, sizeof got), "MASTER\n");
    assert_null(strstr(w.log, "hook-skipped"));
    world_clean(&w);
}

/* Not without a bound: then the oldest that waits is skipped, and said so. */
static void test_waiting_states_are_bounded(void **state)
{
    struct world w;
    char got[512], name[HOOK_STATE_MAX], want[512] = "+A\n-A\n";
    (void)state;
    world_open_busy(&w, "A");
    for (unsigned i = 0; i < HOOK_WAITING_MAX + 2; i++) {
        (void)snprintf(name, sizeof name, "S%u", i);
        hooks_state(w.hooks, name);
        if (i >= 2)
            (void)snprintf(want + strlen(want), 16, "+%s\n-%s\n", name, name);
    }
    world_go(&w);
    world_wait(&w, "hook-done", 1 + HOOK_WAITING_MAX);
    world_close(&w, 9000);
    assert_string_equal(read_file(w.calls, got, sizeof got), want);
    assert_non_null(strstr(w.log, "too many states wait for the one that runs state=S0\n"));
    assert_non_null(strstr(w.log, "too many states wait for the one that runs state=S1\n"));
    world_clean(&w);
}

/* An agent that ends has little time: what is told of it goes before what was. */
static void test_close_tells_the_last_state(void **state)
{
    struct world w;
    char got[256];
    (void)state;
    world_open_busy(&w, "MASTER");
    hooks_state(w.hooks, "BACKUP");
    hooks_state(w.hooks, "STOP");
    world_go(&w);
    world_close(&w, 9000);
    assert_string_equal(read_file(w.calls, got, sizeof got), "+MASTER\n-MASTER\n+STOP\n-STOP\n");
    assert_non_null(strstr(w.log, "the last state goes before it state=BACKUP"));
    world_clean(&w);
}

static bool is_alive(const char *pid_file)
{
    char text[32];
    char path[64];
    char stat_text[256];
    const char *after;
    long pid = strtol(read_file(pid_file, text, sizeof text), NULL, 10);
    assert_true(pid > 1);
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    after = strrchr(read_file(path, stat_text, sizeof stat_text), ')');
    return after != NULL && after[2] != 'Z';
}

/* The whole group dies, and the next state is told all the same. */
static void test_deadline_kills_the_group(void **state)
{
    struct world w;
    char child[128], text[32];
    struct pollfd end = {.events = POLLIN};
    (void)state;
    world_open(&w, "[ $3 = BACKUP ] && exit 0\nsleep 1000 & echo $! >child; echo ready; wait",
               1500);
    (void)snprintf(child, sizeof child, "%s/child", w.dir);
    hooks_state(w.hooks, "MASTER");
    world_wait(&w, "text='ready'", 1);
    end.fd = (int)syscall(SYS_pidfd_open, strtol(read_file(child, text, sizeof text), NULL, 10), 0);
    assert_true(end.fd >= 0);
    hooks_state(w.hooks, "BACKUP");
    world_wait(&w, "hook-done", 1);
    assert_non_null(strstr(w.log, "hook-failed the notify script was killed after"));
    assert_int_equal(poll(&end, 1, WAIT_MS), 1);
    assert_int_equal(close(end.fd), 0);
    world_close(&w, 1000);
    world_clean(&w);
}

static void test_failures_are_told(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, "exit 3", 5000);
    hooks_state(w.hooks, "MASTER");
    world_wait(&w, "hook-failed the notify script failed", 1);
    assert_non_null(strstr(w.log, "status=3 signal=0"));
    assert_int_equal(unlink(w.script), 0);
    hooks_state(w.hooks, "BACKUP");
    world_wait(&w, "hook-failed the notify script failed", 2);
    assert_non_null(strstr(w.log, "status=127"));
    world_close(&w, 1000);
    world_clean(&w);
}

/* A daemon started by the script keeps its output open: not waited for. */
static void test_output_kept_open(void **state)
{
    struct world w;
    char child[128];
    char text[32];
    (void)state;
    world_open(&w, "[ $3 = BACKUP ] && exit 0\nsleep 1000 & echo $! >child", 5000);
    (void)snprintf(child, sizeof child, "%s/child", w.dir);
    hooks_state(w.hooks, "MASTER");
    world_wait(&w, "hook-done", 1);
    hooks_state(w.hooks, "BACKUP");
    world_wait(&w, "hook-done", 2);
    assert_true(is_alive(child));
    (void)kill((pid_t)strtol(read_file(child, text, sizeof text), NULL, 10), SIGKILL);
    world_close(&w, 1000);
    world_clean(&w);
}

static void test_close_does_not_wait_for_ever(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, "echo ready; sleep 1000", 100000);
    hooks_state(w.hooks, "MASTER");
    world_wait(&w, "text='ready'", 1);
    hooks_state(w.hooks, "BACKUP");
    world_close(&w, 50);
    assert_non_null(strstr(w.log, "hook-failed"));
    assert_null(strstr(w.log, "state=BACKUP"));
    world_clean(&w);
}

static void test_state_file_cannot_be_written(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, "exit 0", 5000);
    assert_int_equal(mkdir(w.file, 0700), 0);
    hooks_state(w.hooks, "MASTER");
    world_wait(&w, "state-file-failed", 1);
    world_close(&w, 1000);
    assert_int_equal(rmdir(w.file), 0);
    (void)snprintf(w.file, sizeof w.file, "%s/state.new", w.dir);
    (void)unlink(w.file);
    world_clean(&w);
}

/* An agent that is never killed by the kernel does not make its hooks so. */
static void test_oom_score_is_reset(void **state)
{
    struct world w;
    char path[128];
    char got[32];
    FILE *f = fopen("/proc/self/oom_score_adj", "we");
    (void)state;
    assert_non_null(f);
    fprintf(f, "500");
    assert_int_equal(fclose(f), 0);
    world_open(&w, "cat /proc/self/oom_score_adj >oom", 5000);
    hooks_state(w.hooks, "MASTER");
    world_close(&w, 5000);
    (void)snprintf(path, sizeof path, "%s/oom", w.dir);
    /* An unprivileged test may not lower it again; both values say that the script's was set. */
    (void)read_file(path, got, sizeof got);
    assert_true(strcmp(got, "0\n") == 0 || geteuid() != 0);
    world_clean(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts_of_states),
        cmocka_unit_test(test_arguments_and_file),
        cmocka_unit_test(test_every_state_is_told),
        cmocka_unit_test(test_waiting_states_are_bounded),
        cmocka_unit_test(test_close_tells_the_last_state),
        cmocka_unit_test(test_deadline_kills_the_group),
        cmocka_unit_test(test_failures_are_told),
        cmocka_unit_test(test_output_kept_open),
        cmocka_unit_test(test_close_does_not_wait_for_ever),
        cmocka_unit_test(test_state_file_cannot_be_written),
        cmocka_unit_test(test_oom_score_is_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
