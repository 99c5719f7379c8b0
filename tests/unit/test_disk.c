/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sys/disk.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    uv_loop_t loop;
    uv_timer_t limit;
    struct disk *disk;
    unsigned n;
    enum disk_state states[8];
    bool closed;
};

static void world_on_state(void *data, enum disk_state state)
{
    struct world *w = data;
    assert_true(w->n < 8);
    w->states[w->n++] = state;
}

static void world_on_limit(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("waited too long");
}

static void world_on_done(void *data)
{
    struct world *w = data;
    w->closed = true;
    uv_close((uv_handle_t *)&w->limit, NULL);
}

static void world_open_within(struct world *w, const char *directory, uint32_t free_min_mb,
                              uint32_t timeout_ms)
{
    struct errmsg msg;
    memset(w, 0, sizeof *w);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(uv_timer_init(&w->loop, &w->limit), 0);
    assert_int_equal(uv_timer_start(&w->limit, world_on_limit, 10000, 0), 0);
    assert_int_equal(disk_open(&(struct disk_config){.loop = &w->loop,
                                                     .directory = directory,
                                                     .free_min_mb = free_min_mb,
                                                     .interval_ms = 5,
                                                     .timeout_ms = timeout_ms,
                                                     .on_state = world_on_state,
                                                     .data = w},
                               &msg, &w->disk),
                     0);
}

static void world_open(struct world *w, const char *directory, uint32_t free_min_mb)
{
    world_open_within(w, directory, free_min_mb, 5000);
}

static void world_wait(struct world *w, unsigned n)
{
    while (w->n < n)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
}

static void world_close(struct world *w)
{
    disk_close(w->disk, world_on_done, w);
    assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
    assert_true(w->closed);
    assert_int_equal(uv_loop_close(&w->loop), 0);
}

static void test_judge(void **state)
{
    (void)state;
    assert_int_equal(disk_judge(100u << 20, 0, 100), DISK_OK);
    assert_int_equal(disk_judge((100u << 20) - 1, 0, 100), DISK_FULL);
    assert_int_equal(disk_judge(100u << 20, ST_RDONLY, 100), DISK_READ_ONLY);
    assert_int_equal(disk_judge(0, 0, 0), DISK_OK);
}

static void test_judge_write(void **state)
{
    (void)state;
    assert_int_equal(disk_judge_write(0), DISK_OK);
    assert_int_equal(disk_judge_write(EROFS), DISK_READ_ONLY);
    assert_int_equal(disk_judge_write(ENOSPC), DISK_FULL);
    assert_int_equal(disk_judge_write(EIO), DISK_ERROR);
    assert_int_equal(disk_judge_write(EOPNOTSUPP), DISK_OK);
}

static void test_states_change(void **state)
{
    struct world w;
    char dir[] = "/tmp/test_disk.XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(dir));
    world_open(&w, dir, 0);
    world_wait(&w, 1);
    assert_int_equal(w.states[0], DISK_OK);
    assert_int_equal(rmdir(dir), 0);
    world_wait(&w, 2);
    assert_int_equal(w.states[1], DISK_ERROR);
    assert_int_equal(mkdir(dir, 0700), 0);
    world_wait(&w, 3);
    assert_int_equal(w.states[2], DISK_OK);
    assert_int_equal(disk_state(w.disk), DISK_OK);
    world_close(&w);
    assert_int_equal(rmdir(dir), 0);
}

static void test_full(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, "/tmp", UINT32_MAX);
    world_wait(&w, 1);
    assert_int_equal(w.states[0], DISK_FULL);
    world_close(&w);
}

/* The agent stood still for longer than the disk has, which had answered long before the end. */
static void test_answer_of_a_loop_that_stood_still(void **state)
{
    struct world w;
    uint64_t until_ns;
    (void)state;
    world_open_within(&w, "/tmp", 0, 100);
    until_ns = uv_hrtime() + 1000000000;
    while (uv_hrtime() < until_ns)
        (void)sched_yield();
    world_wait(&w, 1);
    assert_int_equal(w.states[0], DISK_OK);
    world_close(&w);
}

static void test_closed_before_the_answer(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, "/tmp", 0);
    world_close(&w);
    assert_int_equal(w.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_judge_write),
        cmocka_unit_test(test_states_change),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_answer_of_a_loop_that_stood_still),
        cmocka_unit_test(test_closed_before_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
