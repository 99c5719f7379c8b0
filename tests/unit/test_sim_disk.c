/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/disk.h"

#define SEEDS 200
#define LONG_US 100000000

/* An agent as the disk sees it. */
struct user {
    struct sim_timers timers;
    struct sim_disk *disk;
    struct raft_io io;
    bool ready;
    bool closed;
    int64_t blocked_us;
    unsigned ticks_ms;
};

static struct user u;
static const char payload[8] = "payload";

static void on_block(void *data, int64_t us)
{
    (void)data;
    u.blocked_us += us;
}

static void on_ready(void *data)
{
    (void)data;
    assert_false(u.ready); /* once until it is delivered */
    u.ready = true;
}

static void on_ticks(void *data, unsigned every_ms)
{
    (void)data;
    u.ticks_ms = every_ms;
}

static int open_disk(void)
{
    struct sim_disk_user user = {.block = on_block, .ready = on_ready, .ticks = on_ticks};
    struct errmsg msg = ERRMSG_INIT;
    u.ready = u.closed = false;
    return sim_disk_open(u.disk, &user, &u.io, &msg);
}

/* A fresh disk of one node's cluster: term 1, one entry. */
static void setup(uint64_t seed)
{
    struct raft_configuration conf;
    memset(&u, 0, sizeof u);
    sim_timers_init(&u.timers, 1000);
    u.disk = sim_disk_new(&u.timers, seed);
    raft_configuration_init(&conf);
    assert_int_equal(raft_configuration_add(&conf, 1, "node-0", RAFT_VOTER), 0);
    sim_disk_bootstrap(u.disk, &conf);
    raft_configuration_close(&conf);
    assert_int_equal(open_disk(), 0);
}

static void on_close(struct raft_io *io)
{
    (void)io;
    u.closed = true;
}

static void run(int64_t us)
{
    int64_t end_us = u.timers.now_us + us;
    while (sim_timers_next_us(&u.timers) <= end_us) {
        sim_timers_run_next(&u.timers);
        if (u.ready) {
            u.ready = false;
            sim_disk_deliver(&u.io);
        }
    }
    sim_timers_run(&u.timers, end_us);
}

static void close_disk(void)
{
    u.io.close(&u.io, on_close);
    run(LONG_US);
    if (u.ready)
        sim_disk_deliver(&u.io);
    assert_true(u.closed);
    sim_disk_close(&u.io);
}

static void teardown(void)
{
    close_disk();
    sim_disk_free(u.disk);
    sim_timers_release(&u.timers);
}

/* ---- requests ---- */

struct write {
    struct raft_io_append append;
    struct raft_io_snapshot_put put;
    int status; /* 1 = open */
};

static void on_append(struct raft_io_append *req, int status)
{
    ((struct write *)req->data)->status = status;
}

static void append(struct write *w, raft_term term, unsigned n)
{
    struct raft_entry entries[8];
    assert_true(n <= 8);
    for (unsigned i = 0; i < n; i++)
        entries[i] =
            (struct raft_entry){.term = term,
                                .type = RAFT_COMMAND,
                                .buf = {.base = (void *)(uintptr_t)payload, .len = sizeof payload}};
    w->status = 1;
    w->append.data = w;
    assert_int_equal(u.io.append(&u.io, &w->append, entries, n, on_append), 0);
}

static void on_put(struct raft_io_snapshot_put *req, int status)
{
    ((struct write *)req->data)->status = status;
}

static void put(struct write *w, raft_index index, unsigned trailing)
{
    struct raft_buffer buf = {.base = (void *)(uintptr_t)payload, .len = sizeof payload};
    struct raft_snapshot s = {
        .index = index, .term = 1, .configuration_index = 1, .bufs = &buf, .n_bufs = 1};
    w->status = 1;
    w->put.data = w;
    raft_configuration_init(&s.configuration);
    assert_int_equal(u.io.snapshot_put(&u.io, trailing, &w->put, &s, on_put), 0);
}

/* What the next agent reads: the number of entries; their terms must not fall. */
static size_t load(raft_index *ret_start)
{
    raft_term term, last = 0;
    raft_id voted_for;
    struct raft_snapshot *snapshot;
    struct raft_entry *entries;
    size_t n;
    assert_int_equal(u.io.load(&u.io, &term, &voted_for, &snapshot, ret_start, &entries, &n), 0);
    for (size_t i = 0; i < n; i++) {
        assert_true(entries[i].term >= last);
        last = entries[i].term;
        if (entries[i].type == RAFT_COMMAND)
            assert_memory_equal(entries[i].buf.base, payload, sizeof payload);
    }
    if (n > 0)
        raft_free(entries[0].batch);
    raft_free(entries);
    if (snapshot != NULL) {
        assert_memory_equal(snapshot->bufs[0].base, payload, sizeof payload);
        raft_configuration_close(&snapshot->configuration);
        raft_free(snapshot->bufs[0].base);
        raft_free(snapshot->bufs);
        raft_free(snapshot);
    }
    return n;
}

/* The agent dies, and what it had open is given back; then the next one comes. */
static void crash(bool power)
{
    sim_disk_crash(u.disk, power);
    u.io.close(&u.io, on_close);
    assert_true(u.closed); /* nothing to wait for */
    sim_disk_close(&u.io);
    assert_int_equal(open_disk(), 0);
}

/* ---- tests ---- */

static void test_writes_take_time_and_are_told_in_order(void **state)
{
    struct write w[3];
    raft_index start;
    (void)state;
    setup(1);
    assert_int_equal(load(&start), 1);
    for (unsigned i = 0; i < 3; i++)
        append(&w[i], 1, 2);
    assert_int_equal(sim_disk_last_index(u.disk), 1); /* nothing is durable at once */
    while (w[0].status == 1)
        run(10);
    assert_int_equal(w[0].status, 0);
    assert_int_equal(w[1].status, 1);
    assert_int_equal(sim_disk_last_index(u.disk), 3);
    run(LONG_US);
    assert_true(w[1].status == 0 && w[2].status == 0);
    assert_int_equal(load(&start), 7);
    assert_int_equal(start, 1);
    teardown();
}

/* What was acknowledged stays; of the rest a prefix, and sometimes less than everything. */
static void test_interrupted_writes_leave_a_prefix(void **state)
{
    unsigned lost = 0, kept = 0, split = 0;
    (void)state;
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        struct write w[3];
        raft_index start;
        size_t n;
        setup(seed);
        for (unsigned i = 0; i < 3; i++)
            append(&w[i], 1, 4);
        while (w[0].status == 1)
            run(10);
        crash(seed % 2 == 0);
        assert_true(w[1].status == RAFT_CANCELED && w[2].status == RAFT_CANCELED);
        n = load(&start);
        assert_in_range(n, 5, 13);
        lost += n < 13;
        kept += n == 13;
        split += (n - 1) % 4 != 0;
        teardown();
    }
    assert_true(lost > 0 && kept > 0 && split > 0);
}

static void test_power_may_undo_a_vote_that_is_being_written(void **state)
{
    unsigned undone = 0, kept = 0;
    raft_id voted_for;
    (void)state;
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        bool power = seed % 4 != 0;
        setup(seed);
        assert_int_equal(u.io.set_term(&u.io, 7), 0);
        run(LONG_US);
        assert_int_equal(u.io.set_vote(&u.io, 3), 0);
        assert_true(u.blocked_us > 0);
        crash(power);
        assert_int_equal(sim_disk_term(u.disk, &voted_for), 7); /* that one had ended */
        assert_true(voted_for == 3 || (voted_for == 0 && power));
        undone += voted_for == 0;
        kept += voted_for == 3;
        teardown();
    }
    assert_true(undone > 0 && kept > 0);
}

static void test_after_a_failure_nothing_is_written(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        struct write w[2];
        raft_index start;
        size_t n;
        setup(seed);
        sim_disk_fail(u.disk, true);
        append(&w[0], 2, 3);
        append(&w[1], 3, 1);
        run(LONG_US);
        sim_disk_fail(u.disk, false);
        assert_true(w[0].status == RAFT_IOERR && w[1].status == RAFT_IOERR);
        n = load(&start);
        assert_true(n == 1 || n == 4); /* the failed one may have arrived; never the one after it */
        teardown();
    }
}

static void test_full_disk(void **state)
{
    struct write w;
    raft_id voted_for;
    (void)state;
    setup(1);
    assert_true(u.io.capacity > 0);
    sim_disk_full(u.disk, true);
    assert_int_equal(u.io.capacity, 0);
    assert_false(sim_disk_has_space(u.disk));
    append(&w, 1, 1);
    run(LONG_US);
    assert_int_equal(w.status, RAFT_NOSPACE);
    assert_int_equal(u.io.set_term(&u.io, 2), 0); /* has its place */
    assert_int_equal(sim_disk_term(u.disk, &voted_for), 2);
    close_disk();
    assert_int_equal(open_disk(), ERR_NOSPC);
    sim_disk_full(u.disk, false);
    assert_int_equal(open_disk(), 0);
    teardown();
}

static void test_snapshots_shorten_the_log(void **state)
{
    struct write w;
    raft_index start;
    (void)state;
    setup(1);
    append(&w, 1, 8);
    run(LONG_US);
    put(&w, 6, 2);
    run(LONG_US);
    assert_int_equal(w.status, 0);
    assert_int_equal(sim_disk_snapshot_index(u.disk), 6);
    assert_int_equal(load(&start), 5);
    assert_int_equal(start, 5);
    put(&w, 20, 0); /* installed: the log begins behind it */
    run(LONG_US);
    assert_int_equal(load(&start), 0);
    assert_int_equal(start, 21);
    append(&w, 2, 2);
    run(LONG_US);
    assert_int_equal(sim_disk_last_index(u.disk), 22);
    crash(/* power= */ true);
    assert_int_equal(load(&start), 2);
    assert_int_equal(start, 21);
    teardown();
}

static void test_truncation_is_done_in_its_turn(void **state)
{
    struct write w[2];
    raft_index start;
    (void)state;
    setup(1);
    append(&w[0], 1, 4);
    assert_int_equal(u.io.truncate(&u.io, 3), 0);
    append(&w[1], 2, 1);
    run(LONG_US);
    assert_int_equal(load(&start), 3);
    assert_int_equal(sim_disk_last_index(u.disk), 3);
    teardown();
}

/* As libraft's own: what runs is waited for, what has not begun is canceled. */
static void test_closing_waits_for_the_write_that_runs(void **state)
{
    struct write w[2];
    (void)state;
    setup(1);
    sim_disk_slow(u.disk, 500000);
    append(&w[0], 1, 1);
    append(&w[1], 1, 1);
    u.io.close(&u.io, on_close);
    run(400000);
    assert_false(u.closed);
    run(LONG_US);
    assert_true(u.closed);
    assert_true(w[0].status == RAFT_CANCELED && w[1].status == RAFT_CANCELED);
    assert_int_equal(sim_disk_last_index(u.disk), 2);
    sim_disk_close(&u.io);
    sim_disk_free(u.disk);
    sim_timers_release(&u.timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_take_time_and_are_told_in_order),
        cmocka_unit_test(test_interrupted_writes_leave_a_prefix),
        cmocka_unit_test(test_power_may_undo_a_vote_that_is_being_written),
        cmocka_unit_test(test_after_a_failure_nothing_is_written),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_snapshots_shorten_the_log),
        cmocka_unit_test(test_truncation_is_done_in_its_turn),
        cmocka_unit_test(test_closing_waits_for_the_write_that_runs),
    };
    return cmocka_run_group_tests_name("sim_disk", tests, NULL, NULL);
}
