/* SPDX-License-Identifier: Apache-2.0 */
/* Every event in every state against a table, then the times. Stories of several nodes are in
 * tests/trace/test_vrrp.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/vrrp.h"

#define S 1000000 /* us */

static struct vrrp_options options_of(uint8_t priority, uint8_t last_octet)
{
    struct vrrp_options o = {
        .priority = priority, .interval_cs = 100, .preempt = true, .n_routers = 1};
    o.routers[0].version = 3;
    o.routers[0].own = (struct vrrp_address){{172, 17, 0, last_octet}};
    return o;
}

/* "backup>master silent-master; send 0:100; take" */
static void effects_print(const struct vrrp_effects *e, char *text, size_t size)
{
    static const char *const words[] = {"take", "release", "send", "announce", "changed"};
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < e->n; i++) {
        const struct vrrp_effect *f = &e->list[i];
        const char *joint = i > 0 ? "; " : "";
        if (f->type == VRRP_EFFECT_CHANGED)
            used += (size_t)snprintf(text + used, size - used, "%s%s>%s: %s", joint,
                                     vrrp_state_text(f->from), vrrp_state_text(f->to),
                                     vrrp_cause_text(f->cause));
        else if (f->type == VRRP_EFFECT_SEND)
            used += (size_t)snprintf(text + used, size - used, "%ssend %u:%u", joint, f->router,
                                     f->priority);
        else
            used += (size_t)snprintf(text + used, size - used, "%s%s", joint, words[f->type]);
        assert_true(used < size);
    }
}

/* --- every event in every state ----------------------------------------------------------------
 */

enum variant {
    START,
    STOP,
    TIMER_EARLY,
    TIMER_DUE,
    ADVERT_ZERO,
    ADVERT_LESSER,
    ADVERT_EQUAL_LESSER,
    ADVERT_EQUAL_GREATER,
    ADVERT_GREATER,
    FAULTS_SET,
    FAULTS_CLEAR,
    WEIGHT,
    PREEMPT,
    RESIGN,
    VARIANTS
};

/* The node: priority 100, address .10, interval 1 s. */
static const char *const expected[VARIANTS][VRRP_STATE_COUNT] = {
    [START] = {"init>backup: started", "", "", ""},
    [STOP] = {"", "backup>init: stopped", "master>init: stopped; release; send 0:0",
              "fault>init: stopped"},
    [TIMER_EARLY] = {"", "", "", ""},
    [TIMER_DUE] = {"", "backup>master: the master fell silent; send 0:100; take", "send 0:100", ""},
    [ADVERT_ZERO] = {"", "", "send 0:100", ""},
    [ADVERT_LESSER] = {"", "", "send 0:100; announce", ""},
    [ADVERT_EQUAL_LESSER] = {"", "", "send 0:100; announce", ""},
    [ADVERT_EQUAL_GREATER] = {"", "", "master>backup: a better master speaks; release", ""},
    [ADVERT_GREATER] = {"", "", "master>backup: a better master speaks; release", ""},
    [FAULTS_SET] = {"", "backup>fault: this node is unfit",
                    "master>fault: this node is unfit; release; send 0:0", ""},
    [FAULTS_CLEAR] = {"", "", "", "fault>backup: this node is fit again"},
    [WEIGHT] = {"", "", "", ""},
    [PREEMPT] = {"", "", "", ""},
    [RESIGN] = {"", "", "master>backup: resigned; release; send 0:0", ""},
};

static void step(struct vrrp *v, struct vrrp_event event, struct vrrp_effects *e)
{
    vrrp_step(v, &event, e);
}

static void bring_to(struct vrrp *v, enum vrrp_state state)
{
    struct vrrp_options o = options_of(100, 10);
    struct vrrp_effects e;
    vrrp_init(v, &o);
    if (state == VRRP_FAULT)
        step(v, (struct vrrp_event){.type = VRRP_EVENT_FAULTS, .faults = VRRP_FAULT_LINK}, &e);
    if (state != VRRP_INIT)
        step(v, (struct vrrp_event){.type = VRRP_EVENT_START, .now_us = S}, &e);
    if (state == VRRP_MASTER)
        step(v, (struct vrrp_event){.type = VRRP_EVENT_TIMER, .now_us = vrrp_deadline_us(v)}, &e);
    assert_int_equal(v->state, state);
}

static struct vrrp_event event_of(const struct vrrp *v, enum variant variant)
{
    struct vrrp_event x = {.type = VRRP_EVENT_ADVERT, .now_us = 20 * S, .interval_cs = 100};
    static const uint8_t priorities[VARIANTS] = {[ADVERT_LESSER] = 99,
                                                 [ADVERT_EQUAL_LESSER] = 100,
                                                 [ADVERT_EQUAL_GREATER] = 100,
                                                 [ADVERT_GREATER] = 101};
    static const enum vrrp_event_type types[VARIANTS] = {
        [START] = VRRP_EVENT_START,           [STOP] = VRRP_EVENT_STOP,
        [TIMER_EARLY] = VRRP_EVENT_TIMER,     [TIMER_DUE] = VRRP_EVENT_TIMER,
        [ADVERT_ZERO] = VRRP_EVENT_ADVERT,    [ADVERT_LESSER] = VRRP_EVENT_ADVERT,
        [FAULTS_SET] = VRRP_EVENT_FAULTS,     [FAULTS_CLEAR] = VRRP_EVENT_FAULTS,
        [WEIGHT] = VRRP_EVENT_WEIGHT,         [PREEMPT] = VRRP_EVENT_PREEMPT,
        [RESIGN] = VRRP_EVENT_RESIGN,         [ADVERT_EQUAL_LESSER] = VRRP_EVENT_ADVERT,
        [ADVERT_GREATER] = VRRP_EVENT_ADVERT, [ADVERT_EQUAL_GREATER] = VRRP_EVENT_ADVERT,
    };
    x.type = types[variant];
    x.priority = priorities[variant];
    x.source = (struct vrrp_address){{172, 17, 0, variant == ADVERT_EQUAL_GREATER ? 11 : 9}};
    x.faults = variant == FAULTS_SET ? VRRP_FAULT_HEALTH : 0;
    x.weight = -20;
    if (variant == TIMER_EARLY || variant == TIMER_DUE)
        x.now_us = vrrp_deadline_us(v) - (variant == TIMER_EARLY);
    return x;
}

static void test_every_event_in_every_state(void **state)
{
    char text[256];
    (void)state;
    for (unsigned variant = 0; variant < VARIANTS; variant++) {
        for (unsigned s = 0; s < VRRP_STATE_COUNT; s++) {
            struct vrrp v;
            struct vrrp_effects e;
            struct vrrp_event x;
            bring_to(&v, s);
            x = event_of(&v, variant);
            vrrp_step(&v, &x, &e);
            effects_print(&e, text, sizeof text);
            if (expected[variant][s] == NULL || strcmp(text, expected[variant][s]) != 0)
                fail_msg("event %u in state %s: '%s'", variant, vrrp_state_text(s), text);
        }
    }
}

/* What a backup's timer does with each kind of advertisement; 0: it is left alone. */
static void test_backup_timer(void **state)
{
    static const struct {
        enum variant variant;
        bool preempt;
        int64_t down_us;
    } rows[] = {
        {ADVERT_ZERO, true, 609375},
        {ADVERT_ZERO, false, 609375},
        {ADVERT_LESSER, true, 0},
        {ADVERT_LESSER, false, 3609375},
        {ADVERT_EQUAL_LESSER, true, 3609375},
        {ADVERT_EQUAL_GREATER, false, 3609375},
        {ADVERT_GREATER, true, 3609375},
        {ADVERT_GREATER, false, 3609375},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vrrp v;
        struct vrrp_effects e;
        struct vrrp_event x;
        int64_t before;
        bring_to(&v, VRRP_BACKUP);
        v.options.preempt = rows[i].preempt;
        before = vrrp_deadline_us(&v);
        x = event_of(&v, rows[i].variant);
        vrrp_step(&v, &x, &e);
        assert_int_equal(vrrp_deadline_us(&v),
                         rows[i].down_us == 0 ? before : x.now_us + rows[i].down_us);
    }
}

/* RFC 9568 6.1 and RFC 3768 6.1, by hand. */
static void test_intervals(void **state)
{
    static const struct {
        uint8_t version;
        uint8_t priority;
        uint16_t interval_cs;
        int64_t down_us;
    } rows[] = {
        {3, 100, 100, 3609375}, {2, 100, 100, 3609375}, {3, 100, 50, 1804687},
        {2, 100, 300, 9609375}, {3, 254, 1, 30078},     {3, 1, 4095, 163640039},
        {2, 254, 100, 3007812},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vrrp_options o = options_of(rows[i].priority, 10);
        struct vrrp v;
        o.routers[0].version = rows[i].version;
        o.interval_cs = rows[i].interval_cs;
        vrrp_init(&v, &o);
        assert_int_equal(vrrp_down_interval_us(&v, 0), rows[i].down_us);
    }
}

static void test_interval_is_learned_in_version_3_only(void **state)
{
    (void)state;
    for (uint8_t version = 2; version <= 3; version++) {
        struct vrrp v;
        struct vrrp_effects e;
        struct vrrp_event x;
        bring_to(&v, VRRP_BACKUP);
        v.options.routers[0].version = version;
        x = event_of(&v, ADVERT_GREATER);
        x.interval_cs = 200;
        vrrp_step(&v, &x, &e);
        assert_int_equal(vrrp_down_interval_us(&v, 0), version == 3 ? 2 * 3609375 : 3609375);
        x = event_of(&v, FAULTS_SET);
        vrrp_step(&v, &x, &e);
        x = event_of(&v, FAULTS_CLEAR);
        vrrp_step(&v, &x, &e);
        assert_int_equal(vrrp_down_interval_us(&v, 0), 3609375);
    }
}

/* Of the Master that it yields to, a former Master learns as well. */
static void test_who_yields_learns_the_interval(void **state)
{
    (void)state;
    for (uint8_t version = 2; version <= 3; version++) {
        struct vrrp v;
        struct vrrp_effects e;
        struct vrrp_event x;
        bring_to(&v, VRRP_MASTER);
        v.options.routers[0].version = version;
        x = event_of(&v, ADVERT_GREATER);
        x.interval_cs = 200;
        vrrp_step(&v, &x, &e);
        assert_int_equal(vrrp_deadline_us(&v) - x.now_us, version == 3 ? 2 * 3609375 : 3609375);
        assert_int_equal(v.master_priority, 101);
        assert_int_equal(vrrp_address_compare(&v.master, &x.source), 0);
    }
}

/* The goodbye of an earlier Master is no reason to take over from a later one. */
static void test_cause_of_the_second_takeover(void **state)
{
    struct vrrp v;
    struct vrrp_effects e;
    struct vrrp_event x;
    (void)state;
    bring_to(&v, VRRP_BACKUP);
    x = event_of(&v, ADVERT_ZERO);
    vrrp_step(&v, &x, &e);
    step(&v, (struct vrrp_event){.type = VRRP_EVENT_TIMER, .now_us = vrrp_deadline_us(&v)}, &e);
    assert_int_equal(e.list[0].cause, VRRP_CAUSE_RELEASED);
    x = event_of(&v, ADVERT_GREATER);
    vrrp_step(&v, &x, &e);
    step(&v, (struct vrrp_event){.type = VRRP_EVENT_TIMER, .now_us = vrrp_deadline_us(&v)}, &e);
    assert_int_equal(e.list[0].cause, VRRP_CAUSE_SILENCE);
}

static void test_set_yields_in_all_its_routers(void **state)
{
    struct vrrp_options o = options_of(100, 10);
    struct vrrp v;
    struct vrrp_effects e;
    struct vrrp_event x;
    char text[256];
    (void)state;
    o.n_routers = 2;
    o.routers[1] = o.routers[0];
    vrrp_init(&v, &o);
    step(&v, (struct vrrp_event){.type = VRRP_EVENT_START, .now_us = S}, &e);
    step(&v, (struct vrrp_event){.type = VRRP_EVENT_TIMER, .now_us = vrrp_deadline_us(&v)}, &e);
    x = event_of(&v, ADVERT_GREATER);
    vrrp_step(&v, &x, &e);
    effects_print(&e, text, sizeof text);
    assert_string_equal(text, "master>backup: a better master speaks; release; send 0:0; send 1:0");
}

static void test_weight_stays_within_bounds(void **state)
{
    static const struct {
        int weight;
        uint8_t priority;
    } rows[] = {{0, 100},  {-30, 70},  {30, 130},  {-99, 1},   {-100, 1},
                {-200, 1}, {154, 254}, {155, 254}, {1000, 254}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vrrp v;
        struct vrrp_effects e;
        bring_to(&v, VRRP_MASTER);
        step(&v, (struct vrrp_event){.type = VRRP_EVENT_WEIGHT, .weight = rows[i].weight}, &e);
        step(&v, (struct vrrp_event){.type = VRRP_EVENT_TIMER, .now_us = vrrp_deadline_us(&v)}, &e);
        assert_int_equal(e.n, 1);
        assert_int_equal(e.list[0].priority, rows[i].priority);
    }
}

static void test_fault_before_the_start(void **state)
{
    struct vrrp v;
    struct vrrp_effects e;
    (void)state;
    bring_to(&v, VRRP_FAULT);
    assert_int_equal(vrrp_deadline_us(&v), 0);
    /* One of two faults ends: still unfit. */
    step(&v,
         (struct vrrp_event){.type = VRRP_EVENT_FAULTS,
                             .faults = VRRP_FAULT_LINK | VRRP_FAULT_NOT_READY},
         &e);
    step(&v, (struct vrrp_event){.type = VRRP_EVENT_FAULTS, .faults = VRRP_FAULT_NOT_READY}, &e);
    assert_int_equal(v.state, VRRP_FAULT);
}

static void test_announcements_are_bounded(void **state)
{
    struct vrrp v;
    struct vrrp_effects e;
    struct vrrp_event x;
    unsigned announced = 0;
    (void)state;
    bring_to(&v, VRRP_MASTER);
    x = event_of(&v, ADVERT_LESSER);
    for (unsigned i = 0; i < 1000; i++) {
        x.now_us += 1000;
        vrrp_step(&v, &x, &e);
        assert_int_equal(e.list[0].type, VRRP_EFFECT_SEND);
        announced += e.n == 2;
    }
    assert_int_equal(announced, 1);
    x.now_us += S;
    vrrp_step(&v, &x, &e);
    assert_int_equal(e.n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_event_in_every_state),
        cmocka_unit_test(test_backup_timer),
        cmocka_unit_test(test_intervals),
        cmocka_unit_test(test_interval_is_learned_in_version_3_only),
        cmocka_unit_test(test_who_yields_learns_the_interval),
        cmocka_unit_test(test_cause_of_the_second_takeover),
        cmocka_unit_test(test_set_yields_in_all_its_routers),
        cmocka_unit_test(test_weight_stays_within_bounds),
        cmocka_unit_test(test_fault_before_the_start),
        cmocka_unit_test(test_announcements_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
