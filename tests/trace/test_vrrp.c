/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VRRP machine on several nodes of one wire: stories against their expected trace, and random
 * events against the invariants and the end they have to come to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/vrrp.h"
#include "util/err.h"
#include "util/prng.h"

#define S 1000000 /* us */

static struct vrrp_options options_of(uint8_t priority, uint8_t last_octet)
{
    struct vrrp_options o = {
        .priority = priority, .interval_cs = 100, .preempt = true, .n_routers = 1};
    o.routers[0].version = 3;
    o.routers[0].own = (struct vrrp_address){{172, 17, 0, last_octet}};
    return o;
}

#define NODES 3
#define MAIL_MAX 64
#define LATENCY_US 1000

struct mail {
    int64_t at_us;
    unsigned to;
    struct vrrp_event event;
};

struct world {
    int64_t now_us;
    unsigned n_nodes;
    struct vrrp nodes[NODES];
    bool holds[NODES];
    bool cut[NODES][NODES][VRRP_ROUTERS_MAX]; /* from, to, router */
    struct mail mail[MAIL_MAX];
    unsigned n_mail;
    unsigned announced;
    char trace[4096];
    size_t used;
};

static void world_tell(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void world_tell(struct world *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    w->used += (size_t)vsnprintf(w->trace + w->used, sizeof w->trace - w->used, fmt, ap);
    va_end(ap);
    assert_true(w->used < sizeof w->trace);
}

static void world_send(struct world *w, unsigned from, const struct vrrp_effect *f)
{
    const struct vrrp *v = &w->nodes[from];
    for (unsigned to = 0; to < w->n_nodes; to++) {
        struct mail m = {.at_us = w->now_us + LATENCY_US, .to = to};
        if (to == from || w->cut[from][to][f->router])
            continue;
        m.event = (struct vrrp_event){.type = VRRP_EVENT_ADVERT,
                                      .router = f->router,
                                      .priority = f->priority,
                                      .interval_cs = v->options.interval_cs,
                                      .source = v->options.routers[f->router].own};
        assert_true(w->n_mail < MAIL_MAX);
        w->mail[w->n_mail++] = m;
    }
}

static void world_effects(struct world *w, unsigned node, const struct vrrp_effects *e)
{
    for (unsigned i = 0; i < e->n; i++) {
        const struct vrrp_effect *f = &e->list[i];
        if (f->type == VRRP_EFFECT_CHANGED)
            world_tell(w, "%5lld m%u %s, %s\n", (long long)(w->now_us / 1000), node + 1,
                       vrrp_state_text(f->to), vrrp_cause_text(f->cause));
        else if (f->type == VRRP_EFFECT_SEND)
            world_send(w, node, f);
        else if (f->type == VRRP_EFFECT_ANNOUNCE)
            w->announced++;
        else {
            assert_int_equal(w->holds[node], f->type == VRRP_EFFECT_RELEASE);
            w->holds[node] = f->type == VRRP_EFFECT_TAKE;
        }
    }
    assert_int_equal(w->holds[node], w->nodes[node].state == VRRP_MASTER);
    assert_int_equal(vrrp_deadline_us(&w->nodes[node]) != 0,
                     w->nodes[node].state == VRRP_MASTER || w->nodes[node].state == VRRP_BACKUP);
}

static void world_step(struct world *w, unsigned node, struct vrrp_event x)
{
    struct vrrp_effects e;
    x.now_us = w->now_us;
    vrrp_step(&w->nodes[node], &x, &e);
    world_effects(w, node, &e);
}

static void world_event(struct world *w, unsigned node, enum vrrp_event_type type)
{
    world_step(w, node, (struct vrrp_event){.type = type});
}

/* The earliest thing that happens, not after `until_us`. */
static bool world_next(struct world *w, int64_t until_us)
{
    int64_t at = until_us + 1;
    unsigned mail = MAIL_MAX, node = NODES;
    for (unsigned i = 0; i < w->n_nodes; i++) {
        int64_t due = vrrp_deadline_us(&w->nodes[i]);
        if (due != 0 && due < at) {
            at = due;
            node = i;
        }
    }
    for (unsigned i = 0; i < w->n_mail; i++) {
        if (w->mail[i].at_us <= at && (mail == MAIL_MAX || w->mail[i].at_us < w->mail[mail].at_us))
            mail = i;
    }
    if (mail < MAIL_MAX) {
        struct mail m = w->mail[mail];
        w->now_us = m.at_us > w->now_us ? m.at_us : w->now_us;
        memmove(&w->mail[mail], &w->mail[mail + 1], (--w->n_mail - mail) * sizeof m);
        world_step(w, m.to, m.event);
        return true;
    }
    if (node == NODES)
        return false;
    w->now_us = at > w->now_us ? at : w->now_us;
    world_event(w, node, VRRP_EVENT_TIMER);
    return true;
}

static void world_run(struct world *w, int64_t seconds)
{
    int64_t until_us = w->now_us + seconds * S;
    unsigned steps = 0;
    while (world_next(w, until_us))
        assert_true(++steps < 100000);
    w->now_us = until_us;
}

/* Priorities 100, 50, 20 at .10, .11, .12, started at time 0. */
static void world_open(struct world *w, unsigned n_nodes, bool preempt)
{
    static const uint8_t priorities[NODES] = {100, 50, 20};
    memset(w, 0, sizeof *w);
    w->n_nodes = n_nodes;
    for (unsigned i = 0; i < n_nodes; i++) {
        struct vrrp_options o = options_of(priorities[i], (uint8_t)(10 + i));
        o.preempt = preempt;
        vrrp_init(&w->nodes[i], &o);
    }
}

static void world_start(struct world *w)
{
    for (unsigned i = 0; i < w->n_nodes; i++)
        world_event(w, i, VRRP_EVENT_START);
}

static void world_cut(struct world *w, unsigned a, unsigned b, unsigned router, bool cut)
{
    w->cut[a][b][router] = w->cut[b][a][router] = cut;
}

static void expect_trace(struct world *w, const char *trace)
{
    if (strcmp(w->trace, trace) != 0)
        fail_msg("the trace is:\n%s", w->trace);
    w->used = 0;
    w->trace[0] = '\0';
}

static void test_failover_and_return(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 2, /* preempt= */ true);
    world_start(&w);
    world_run(&w, 10);
    expect_trace(&w, "    0 m1 backup, started\n"
                     "    0 m2 backup, started\n"
                     " 3609 m1 master, the master fell silent\n");
    vrrp_init(&w.nodes[0], &w.nodes[0].options); /* killed: not a word more */
    w.holds[0] = false;
    world_run(&w, 10);
    expect_trace(&w, "13415 m2 master, the master fell silent\n");
    world_event(&w, 0, VRRP_EVENT_START);
    world_run(&w, 10);
    expect_trace(&w, "20000 m1 backup, started\n"
                     "23609 m1 master, the master fell silent\n"
                     "23610 m2 backup, a better master speaks\n");
}

static void test_goodbye_is_quick(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 3, /* preempt= */ true);
    world_start(&w);
    world_run(&w, 10);
    w.used = 0;
    world_event(&w, 0, VRRP_EVENT_STOP);
    world_run(&w, 5);
    /* Skew of m2: 206/256 s. m3 waits longer and hears m2 first. */
    expect_trace(&w, "10000 m1 init, stopped\n"
                     "10805 m2 master, the master gave up its role\n");
}

static void test_without_preemption_the_role_stays(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 2, /* preempt= */ false);
    world_event(&w, 1, VRRP_EVENT_START);
    world_run(&w, 5);
    world_event(&w, 0, VRRP_EVENT_START);
    world_run(&w, 60);
    expect_trace(&w, "    0 m2 backup, started\n"
                     " 3804 m2 master, the master fell silent\n"
                     " 5000 m1 backup, started\n");
    world_step(&w, 0, (struct vrrp_event){.type = VRRP_EVENT_PREEMPT, .preempt = true});
    world_run(&w, 5);
    expect_trace(&w, "68415 m1 master, the master fell silent\n"
                     "68416 m2 backup, a better master speaks\n");
}

static void test_delayed_preemption(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 2, /* preempt= */ true);
    w.nodes[0].options.preempt_delay_ms = 20000;
    world_event(&w, 1, VRRP_EVENT_START);
    world_run(&w, 10);
    world_event(&w, 0, VRRP_EVENT_START);
    world_run(&w, 60);
    /* The first lesser advertisement at 10.8 s, the last one that counts at 29.8 s. */
    expect_trace(&w, "    0 m2 backup, started\n"
                     " 3804 m2 master, the master fell silent\n"
                     "10000 m1 backup, started\n"
                     "33415 m1 master, the master fell silent\n"
                     "33416 m2 backup, a better master speaks\n");
    /* The second time it waits as long as the first time. */
    world_step(&w, 0, (struct vrrp_event){.type = VRRP_EVENT_FAULTS, .faults = VRRP_FAULT_LINK});
    world_run(&w, 10);
    world_step(&w, 0, (struct vrrp_event){.type = VRRP_EVENT_FAULTS});
    world_run(&w, 60);
    expect_trace(&w, "70000 m1 fault, this node is unfit\n"
                     "70805 m2 master, the master gave up its role\n"
                     "80000 m1 backup, this node is fit again\n"
                     "103416 m1 master, the master fell silent\n"
                     "103417 m2 backup, a better master speaks\n");
}

static void test_weight_moves_the_role(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 2, /* preempt= */ true);
    world_start(&w);
    world_run(&w, 10);
    w.used = 0;
    world_step(&w, 0, (struct vrrp_event){.type = VRRP_EVENT_WEIGHT, .weight = -60});
    world_run(&w, 10);
    expect_trace(&w, "13415 m2 master, the master fell silent\n"
                     "13416 m1 backup, a better master speaks\n");
    world_step(&w, 0, (struct vrrp_event){.type = VRRP_EVENT_WEIGHT});
    world_run(&w, 10);
    expect_trace(&w, "23259 m1 master, the master fell silent\n"
                     "23260 m2 backup, a better master speaks\n");
}

static void test_equal_priorities_are_told_apart_by_address(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 2, /* preempt= */ true);
    w.nodes[1].options.priority = 100;
    world_start(&w);
    world_run(&w, 10);
    expect_trace(&w, "    0 m1 backup, started\n"
                     "    0 m2 backup, started\n"
                     " 3609 m1 master, the master fell silent\n"
                     " 3609 m2 master, the master fell silent\n"
                     " 3610 m1 backup, a better master speaks\n");
}

static void test_fault_hands_over(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 2, /* preempt= */ true);
    world_start(&w);
    world_run(&w, 10);
    w.used = 0;
    world_step(&w, 0, (struct vrrp_event){.type = VRRP_EVENT_FAULTS, .faults = VRRP_FAULT_HEALTH});
    world_run(&w, 10);
    world_step(&w, 0, (struct vrrp_event){.type = VRRP_EVENT_FAULTS});
    world_run(&w, 10);
    expect_trace(&w, "10000 m1 fault, this node is unfit\n"
                     "10805 m2 master, the master gave up its role\n"
                     "20000 m1 backup, this node is fit again\n"
                     "23609 m1 master, the master fell silent\n"
                     "23610 m2 backup, a better master speaks\n");
}

/* After a cut heals the better Master tells the other one, and the neighbours. */
static void test_cut_makes_two_and_healing_one(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 2, /* preempt= */ true);
    world_start(&w);
    world_run(&w, 10);
    w.used = 0;
    world_cut(&w, 0, 1, 0, true);
    world_run(&w, 10);
    expect_trace(&w, "13415 m2 master, the master fell silent\n");
    w.announced = 0;
    world_cut(&w, 0, 1, 0, false);
    world_run(&w, 1);
    expect_trace(&w, "20417 m2 backup, a better master speaks\n");
    assert_int_equal(w.announced, 1);
}

/* The lesser one yields before it has said anything: m1 cannot know, and tells the neighbours all
 * the same. */
static void test_neighbours_are_told_again_and_again(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 2, /* preempt= */ true);
    world_start(&w);
    world_run(&w, 4); /* m1 is Master since 3.6 s */
    w.cut[1][0][0] = true;
    world_run(&w, 9);
    assert_int_equal(w.announced, 0);
    world_run(&w, 1);
    assert_int_equal(w.announced, 1);
    world_run(&w, 10);
    assert_int_equal(w.announced, 2);
}

static void add_second_family(struct world *w)
{
    for (unsigned i = 0; i < w->n_nodes; i++) {
        struct vrrp_options o = w->nodes[i].options;
        o.n_routers = 2;
        o.routers[1].version = 3;
        o.routers[1].own = (struct vrrp_address){
            {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (uint8_t)(10 + i)}};
        vrrp_init(&w->nodes[i], &o);
    }
}

static void test_set_moves_together(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 2, /* preempt= */ true);
    add_second_family(&w);
    world_start(&w);
    world_run(&w, 10);
    world_event(&w, 0, VRRP_EVENT_STOP);
    world_run(&w, 5);
    world_event(&w, 0, VRRP_EVENT_START);
    world_run(&w, 5);
    expect_trace(&w, "    0 m1 backup, started\n"
                     "    0 m2 backup, started\n"
                     " 3609 m1 master, the master fell silent\n"
                     "10000 m1 init, stopped\n"
                     "10805 m2 master, the master gave up its role\n"
                     "15000 m1 backup, started\n"
                     "18609 m1 master, the master fell silent\n"
                     "18610 m2 backup, a better master speaks\n");
}

static void test_one_family_cut_is_no_silence(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 2, /* preempt= */ true);
    add_second_family(&w);
    world_start(&w);
    world_run(&w, 10);
    w.used = 0;
    w.trace[0] = '\0';
    world_cut(&w, 0, 1, 1, true);
    world_run(&w, 60);
    expect_trace(&w, "");
    world_cut(&w, 0, 1, 0, true);
    world_run(&w, 10);
    expect_trace(&w, "73415 m2 master, the master fell silent\n");
}

static void test_resigned_master_stays_away_if_told_to(void **state)
{
    struct world w;
    (void)state;
    world_open(&w, 2, /* preempt= */ true);
    world_start(&w);
    world_run(&w, 10);
    w.used = 0;
    world_step(&w, 0, (struct vrrp_event){.type = VRRP_EVENT_PREEMPT, .preempt = false});
    world_event(&w, 0, VRRP_EVENT_RESIGN);
    world_run(&w, 60);
    expect_trace(&w, "10000 m1 backup, resigned\n"
                     "10805 m2 master, the master gave up its role\n");
}

/* --- random events -----------------------------------------------------------------------------
 */

static uint64_t chance(struct prng *r, uint64_t n)
{
    return prng_below(r, n);
}

static void disturb(struct world *w, struct prng *r)
{
    unsigned node = (unsigned)chance(r, NODES), other = (unsigned)chance(r, NODES);
    struct vrrp_event x = {.type = (enum vrrp_event_type)chance(r, VRRP_EVENT_COUNT)};
    x.faults = (unsigned)chance(r, 4);
    x.weight = (int)chance(r, 300) - 150;
    x.preempt = chance(r, 2) == 0;
    x.priority = (uint8_t)chance(r, 256);
    x.interval_cs = (uint16_t)(1 + chance(r, 200));
    x.source.bytes[3] = (uint8_t)chance(r, 256);
    if (chance(r, 3) == 0)
        w->cut[node][other][0] = !w->cut[node][other][0];
    else
        world_step(w, node, x);
    w->used = 0;
}

/* Whatever came before: when it ends, one node holds the addresses, and it is the best one. */
static void test_whatever_happens_it_ends_well(void **state)
{
    static struct world w;
    (void)state;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct prng r;
        r.state = seed;
        world_open(&w, NODES, /* preempt= */ true);
        world_start(&w);
        for (unsigned i = 0; i < 40; i++) {
            world_run(&w, (int64_t)chance(&r, 3));
            disturb(&w, &r);
        }
        memset(w.cut, 0, sizeof w.cut);
        for (unsigned i = 0; i < NODES; i++) {
            world_event(&w, i, VRRP_EVENT_FAULTS);
            world_event(&w, i, VRRP_EVENT_WEIGHT);
            world_step(&w, i, (struct vrrp_event){.type = VRRP_EVENT_PREEMPT, .preempt = true});
            world_event(&w, i, VRRP_EVENT_START);
        }
        w.used = 0;
        world_run(&w, 30);
        if (!w.holds[0] || w.holds[1] || w.holds[2])
            fail_msg("seed %llu: the addresses are at %d %d %d", (unsigned long long)seed,
                     w.holds[0], w.holds[1], w.holds[2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failover_and_return),
        cmocka_unit_test(test_goodbye_is_quick),
        cmocka_unit_test(test_without_preemption_the_role_stays),
        cmocka_unit_test(test_delayed_preemption),
        cmocka_unit_test(test_weight_moves_the_role),
        cmocka_unit_test(test_equal_priorities_are_told_apart_by_address),
        cmocka_unit_test(test_fault_hands_over),
        cmocka_unit_test(test_cut_makes_two_and_healing_one),
        cmocka_unit_test(test_neighbours_are_told_again_and_again),
        cmocka_unit_test(test_set_moves_together),
        cmocka_unit_test(test_one_family_cut_is_no_silence),
        cmocka_unit_test(test_resigned_master_stays_away_if_told_to),
        cmocka_unit_test(test_whatever_happens_it_ends_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
