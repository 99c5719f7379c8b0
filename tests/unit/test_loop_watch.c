/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sys/loop_watch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    uv_loop_t loop;
    uv_timer_t tick;
    uv_timer_t slow;
    struct loop_watch watch;
    unsigned ticks;
    unsigned stalls;
    int64_t stall_us;
    bool told_first; /* at the first tick after the standstill it was known already */
    uint32_t slow_ms;
};

static void world_on_stall(void *data, int64_t stall_us)
{
    struct world *w = data;
    w->stalls++;
    w->stall_us = stall_us;
}

static void world_on_slow(uv_timer_t *timer)
{
    struct world *w = timer->data;
    (void)usleep(w->slow_ms * 1000); /* the standstill that is to be noticed */
}

static void world_on_tick(uv_timer_t *timer)
{
    struct world *w = timer->data;
    loop_watch_look(&w->watch);
    w->ticks++;
}

static void world_open(struct world *w, int64_t limit_us)
{
    memset(w, 0, sizeof *w);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(uv_timer_init(&w->loop, &w->tick), 0);
    assert_int_equal(uv_timer_init(&w->loop, &w->slow), 0);
    w->tick.data = w->slow.data = w;
    loop_watch_start(&w->watch, &w->loop, limit_us, world_on_stall, w);
    assert_int_equal(uv_timer_start(&w->tick, world_on_tick, 5, 5), 0);
}

static void world_close(struct world *w)
{
    loop_watch_close(&w->watch, NULL, NULL);
    uv_close((uv_handle_t *)&w->tick, NULL);
    uv_close((uv_handle_t *)&w->slow, NULL);
    assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&w->loop), 0);
}

static void world_run(struct world *w, unsigned ticks)
{
    ticks += w->ticks;
    while (w->ticks < ticks)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
}

static void test_quiet_loop(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 5000000);
    world_run(&w, 20);
    assert_int_equal(w.stalls, 0);
    world_close(&w);
}

static void test_slow_handler(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 200000);
    world_run(&w, 3);
    w.slow_ms = 300;
    assert_int_equal(uv_timer_start(&w.slow, world_on_slow, 1, 0), 0);
    world_run(&w, 3);
    assert_true(w.stalls >= 1);
    assert_true(w.stall_us >= 290000);
    world_close(&w);
}

/* The process is stopped inside the poll: a child stops and continues us. */
static void test_stopped_process(void **state)
{
    struct world w;
    pid_t parent = getpid();
    pid_t child;
    int status;
    (void)state;
    world_open(&w, 200000);
    world_run(&w, 3);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)kill(parent, SIGSTOP);
        (void)usleep(400000); /* the standstill that is to be noticed */
        (void)kill(parent, SIGCONT);
        _exit(0);
    }
    while (w.stalls == 0)
        (void)uv_run(&w.loop, UV_RUN_ONCE);
    assert_true(w.stall_us >= 200000);
    assert_int_equal(waitpid(child, &status, 0), child);
    world_close(&w);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct world *w = poll->data;
    (void)status;
    (void)events;
    loop_watch_look(&w->watch);
    w->told_first = w->stalls > 0;
    (void)uv_poll_stop(poll);
}

/* A descriptor's handler runs before uv_check's: look() tells it in time. */
static void test_look_comes_first(void **state)
{
    struct world w;
    uv_poll_t poll;
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    world_open(&w, 200000);
    assert_int_equal(uv_poll_init(&w.loop, &poll, ends[0]), 0);
    poll.data = &w;
    assert_int_equal(uv_timer_stop(&w.tick), 0);
    assert_int_equal(uv_poll_start(&poll, UV_READABLE, on_readable), 0);
    /* As if the poll had been due a while ago. */
    w.watch.polling = true;
    w.watch.due_us = clock_boot_us() - 1000000;
    on_readable(&poll, 0, UV_READABLE);
    assert_true(w.told_first);
    assert_int_equal(w.stalls, 1);
    uv_close((uv_handle_t *)&poll, NULL);
    world_close(&w);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quiet_loop),
        cmocka_unit_test(test_slow_handler),
        cmocka_unit_test(test_stopped_process),
        cmocka_unit_test(test_look_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
