/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/clock.h"
#include "sim/timers.h"
#include "util/prng.h"

#define TIMERS 500

struct probe {
    struct sim_timer timer;
    struct sim_timers *timers;
    int64_t due_us;
    unsigned runs;
};

static int64_t last_us;

static void on_time(void *data)
{
    struct probe *p = data;
    assert_true(p->timers->now_us >= last_us);
    assert_int_equal(p->timers->now_us, p->due_us);
    last_us = p->timers->now_us;
    p->runs++;
}

/* Set, moved and stopped at random: each runs once, at its last time, in order. */
static void test_timers_run_in_order(void **state)
{
    static struct probe p[TIMERS];
    struct prng prng = {1};
    struct sim_timers t;
    (void)state;
    sim_timers_init(&t, 100);
    last_us = 0;
    for (unsigned i = 0; i < TIMERS; i++) {
        sim_timer_init(&p[i].timer, on_time, &p[i]);
        p[i].timers = &t;
    }
    for (unsigned i = 0; i < 4 * TIMERS; i++) {
        struct probe *q = &p[prng_below(&prng, TIMERS)];
        q->due_us = 100 + (int64_t)prng_below(&prng, 1000);
        sim_timer_set(&t, &q->timer, q->due_us);
        q = &p[prng_below(&prng, TIMERS)];
        if (i % 5 == 0) {
            sim_timer_stop(&t, &q->timer);
            q->due_us = 0;
        }
    }
    sim_timers_run(&t, 2000);
    for (unsigned i = 0; i < TIMERS; i++)
        assert_int_equal(p[i].runs, p[i].due_us != 0);
    assert_int_equal(sim_timers_next_us(&t), SIM_NEVER);
    sim_timers_release(&t);
}

static void count(void *data)
{
    (*(unsigned *)data)++;
}

static void test_equal_times_run_as_they_were_set(void **state)
{
    struct sim_timer timer[5];
    unsigned runs[5] = {0};
    struct sim_timers t;
    (void)state;
    sim_timers_init(&t, 0);
    for (unsigned i = 0; i < 5; i++) {
        sim_timer_init(&timer[i], count, &runs[i]);
        sim_timer_set(&t, &timer[i], 10);
    }
    sim_timer_set(&t, &timer[0], 10); /* anew: it is the last one now */
    for (unsigned i = 1; i <= 5; i++) {
        sim_timers_run_next(&t);
        assert_int_equal(runs[i % 5], 1);
        assert_int_equal(runs[(i + 1) % 5], i == 5); /* the next one has not run */
    }
    sim_timers_release(&t);
}

static void test_clocks_drift_and_never_jump(void **state)
{
    struct sim_clock c;
    int64_t last = 0;
    (void)state;
    sim_clock_init(&c, 1000000, 5000000, 500);
    assert_int_equal(sim_clock_local(&c, 1000000), 5000000);
    assert_int_equal(sim_clock_local(&c, 2000000), 6000500);
    for (int64_t t = 1000000; t < 3000000; t += 777) {
        if (t > 2000000 && c.ppm == 500)
            sim_clock_bend(&c, t, -20000);
        assert_true(sim_clock_local(&c, t) >= last);
        last = sim_clock_local(&c, t);
    }
    /* When it first shows a time. */
    for (int64_t local = last; local < last + 100000; local += 991) {
        int64_t t = sim_clock_true(&c, local);
        assert_true(sim_clock_local(&c, t) >= local);
        assert_true(sim_clock_local(&c, t - 1) < local);
    }
    assert_true(sim_clock_true(&c, INT64_MAX) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers_run_in_order),
        cmocka_unit_test(test_equal_times_run_as_they_were_set),
        cmocka_unit_test(test_clocks_drift_and_never_jump),
    };
    return cmocka_run_group_tests_name("sim_clock", tests, NULL, NULL);
}
