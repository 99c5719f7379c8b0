/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/explore.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/action.h"
#include "sim/condition.h"
#include "sim/isolate.h"
#include "sim/stage.h"

#define HEADING                         \
    "policy preempt = false\n"          \
    "policy restart_backoff_max = 5s\n" \
    "write through the VIP\n"           \
    "write to every node\n"

static const struct {
    const char *name;
    const char *heading;
} worlds[] = {
    {"two candidates, a witness, MySQL",
     "seed 1\ncluster m1 candidate 100, m2 candidate 90, m3 witness\n"},
    {"two candidates, a replica, MariaDB",
     "seed 2\ncluster m1 candidate 100, m2 candidate 90, m3 replica of writer\n"},
    {"three candidates, MariaDB",
     "seed 2\ncluster m1 candidate 100, m2 candidate 90, m3 candidate 80\n"},
    {"three candidates, MariaDB, strict",
     "seed 2\ncluster m1 candidate 100, m2 candidate 90, m3 candidate 80\n"
     "policy durability = strict\n"},
};

#define N_WORLDS (sizeof worlds / sizeof *worlds)
#define TWO_CANDIDATES 0x3u
#define THREE_CANDIDATES 0xcu

/* `before` leads to the moment from which on effects are counted. */
struct procedure {
    uint32_t worlds; /* bits of those it is tried in */
    const char *name;
    const char *before;
    const char *begins; /* the first action */
    const char *ends;   /* how it is seen to be over; when no fault comes */
};

static const struct procedure procedures[] = {
    {TWO_CANDIDATES, "takeover", "", "at 1s kill mysqld on m1\n",
     "within 5s expect writer is m2\n"},
    {TWO_CANDIDATES, "switchover", "", "at 1s switch over to m2 asked at m3\n",
     "within 5s expect writer is m2\n"},
    {TWO_CANDIDATES, "shrink", "", "at 1s cut the power of m2\n",
     "after 200ms within 5s expect writes go on\n"},
    {TWO_CANDIDATES, "grow",
     "at 1s cut the power of m2\n"
     "within 5s expect m2 is not in sync\n"
     "after 1s boot m2\n"
     "within 10s expect m2 follows m1\n",
     "", "within 10s expect m2 is in sync\n"},
    {TWO_CANDIDATES, "rejoin",
     "at 1s kill mysqld and agent on m1\n"
     "within 5s expect writer is m2\n",
     "after 1s start agent on m1\n", "within 10s expect m1 is in sync\n"},
    {THREE_CANDIDATES, "move", "", "at 1s switch over to m3 asked at m2\n",
     "within 5s expect m3 is in sync\n"},
};

/* A fault put in behind an effect. */
struct fault {
    unsigned effect, action, a, b;
};

struct exploration {
    const struct procedure *procedure;
    const char *heading;
    struct scenario *base;
    struct fault *faults;
    size_t n_faults, faults_max;
    unsigned cases, failed;
};

/* ---- cases ---- */

static const unsigned single[] = {ACTION_KILL_AGENT, ACTION_KILL_MYSQLD, ACTION_HANG_MYSQLD,
                                  ACTION_HANG_AGENT, ACTION_CUT_POWER,   ACTION_CUT_ALL};
static const unsigned paired[] = {ACTION_CUT_PAIR, ACTION_CUT_WAY, ACTION_CUT_SQL};

static void read_base(struct exploration *e)
{
    const struct procedure *p = e->procedure;
    struct errmsg msg;
    char text[1024];
    int err;
    (void)snprintf(text, sizeof text, "%s" HEADING "%s%s%s", e->heading, p->before, p->begins,
                   p->ends);
    err = scenario_read(e->base, p->name, text, &msg);
    assert(err == 0);
}

/* The procedure without the end that it has when nothing comes between. */
static void draw_open(const struct exploration *e, struct scenario *ret_scenario)
{
    *ret_scenario = *e->base;
    ret_scenario->n_statements--;
}

/* Effects between the beginning of the procedure and its end, in a run without a fault. */
static unsigned count_effects(const struct exploration *e)
{
    struct scenario *open = malloc(sizeof *open);
    struct outcome all, begin;
    assert(open != NULL);
    stage_run(e->base, /* trace= */ NULL, &all);
    assert(!all.failed);
    draw_open(e, open);
    stage_run(open, /* trace= */ NULL, &begin);
    assert(!begin.failed);
    free(open);
    return all.effects - begin.effects;
}

static struct statement *add(struct scenario *s, enum statement_kind kind, unsigned index)
{
    struct statement *st = scenario_add(s, kind, index);
    assert(st != NULL);
    return st;
}

static void expect(struct scenario *s, unsigned condition, int64_t within_ms)
{
    struct statement *st = add(s, STATEMENT_EXPECT, condition);
    st->how = within_ms > 0 ? HOW_WITHIN : HOW_NOW;
    st->how_ms = within_ms;
}

static void draw_case(void *data, uint64_t number, struct scenario *ret_scenario)
{
    const struct exploration *e = data;
    const struct fault *f = &e->faults[number];
    struct statement *st;
    draw_open(e, ret_scenario);
    st = add(ret_scenario, STATEMENT_ACTION, f->action);
    st->when = WHEN_EFFECT;
    st->when_arg = f->effect;
    st->args.a = (struct target){.kind = TARGET_NODE, .node = (uint8_t)f->a};
    st->args.b = (struct target){.kind = TARGET_NODE, .node = (uint8_t)f->b};
    st = add(ret_scenario, STATEMENT_ACTION, ACTION_REPAIR_ALL);
    st->when = WHEN_AFTER;
    st->when_arg = 3000;
    expect(ret_scenario, CONDITION_WHOLE, 40000);
    expect(ret_scenario, CONDITION_NOTHING_LOST, 0);
}

static void case_done(void *data, const struct isolate_result *result)
{
    struct exploration *e = data;
    struct scenario *s;
    if (result->outcome.idle) /* at that moment there was nothing to do it to: no case */
        return;
    e->cases++;
    if (!result->outcome.failed)
        return;
    e->failed++;
    s = malloc(sizeof *s);
    assert(s != NULL);
    draw_case(e, result->number, s);
    printf("# %s\n", result->outcome.text);
    scenario_write(s, stdout);
    printf("\n");
    free(s);
}

static bool has_server(const struct exploration *e, unsigned node)
{
    return config_node_has_mysql(&e->base->cfg, node);
}

static bool needs_server(unsigned action)
{
    return action == ACTION_KILL_MYSQLD || action == ACTION_HANG_MYSQLD || action == ACTION_CUT_SQL;
}

static void add_fault(struct exploration *e, struct fault fault)
{
    if (needs_server(fault.action) && !(has_server(e, fault.a) && has_server(e, fault.b)))
        return;
    if (e->n_faults == e->faults_max) {
        e->faults_max = 2 * e->faults_max + 64;
        e->faults = reallocarray(e->faults, e->faults_max, sizeof *e->faults);
        assert(e->faults != NULL);
    }
    e->faults[e->n_faults++] = fault;
}

static void add_faults_behind(struct exploration *e, unsigned effect)
{
    unsigned n = e->base->cfg.n_nodes;
    for (unsigned a = 0; a < n; a++) {
        for (unsigned i = 0; i < sizeof single / sizeof *single; i++)
            add_fault(e, (struct fault){effect, single[i], a, a});
        for (unsigned b = 0; b < n; b++) {
            for (unsigned i = 0; i < sizeof paired / sizeof *paired; i++) {
                if (a != b && (a < b || paired[i] == ACTION_CUT_WAY))
                    add_fault(e, (struct fault){effect, paired[i], a, b});
            }
        }
    }
}

static bool explore(const struct procedure *p, unsigned world, unsigned number,
                    const struct explore_options *options)
{
    struct exploration e = {.procedure = p, .heading = worlds[world].heading};
    unsigned effects;
    e.base = malloc(sizeof *e.base);
    assert(e.base != NULL);
    read_base(&e);
    effects = count_effects(&e);
    for (unsigned effect = 1; effect <= effects; effect++)
        add_faults_behind(&e, effect);
    assert(e.n_faults > 0);
    isolate_many(&(struct isolate_batch){.draw = draw_case,
                                         .done = case_done,
                                         .data = &e,
                                         .last = e.n_faults - 1,
                                         .jobs = options->jobs});
    if (options->tap)
        printf("%s %u - ", e.failed == 0 ? "ok" : "not ok", number);
    printf("%s, %s: %u effects, %u cases, %u failed\n", p->name, worlds[world].name, effects,
           e.cases, e.failed);
    (void)fflush(stdout);
    free(e.base);
    free(e.faults);
    return e.failed == 0;
}

static bool is_asked(const struct explore_options *options, unsigned p)
{
    return options->procedure == NULL || strcmp(options->procedure, procedures[p].name) == 0;
}

int explore_run(const struct explore_options *options)
{
    const unsigned n_procedures = sizeof procedures / sizeof *procedures;
    unsigned number = 0, planned = 0;
    int failed = 0;
    for (unsigned p = 0; p < n_procedures; p++)
        planned += is_asked(options, p) ? (unsigned)__builtin_popcount(procedures[p].worlds) : 0;
    if (options->tap)
        printf("1..%u\n", planned);
    for (unsigned p = 0; p < n_procedures; p++) {
        for (unsigned world = 0; world < N_WORLDS && is_asked(options, p); world++) {
            if ((procedures[p].worlds & 1u << world) != 0)
                failed += !explore(&procedures[p], world, ++number, options);
        }
    }
    return number > 0 ? failed : -1;
}

void explore_list(FILE *f)
{
    for (unsigned p = 0; p < sizeof procedures / sizeof *procedures; p++)
        fprintf(f, "%s%s", p == 0 ? "" : ", ", procedures[p].name);
}
