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

/* `before` leads to the moment from which on effects are counted. */
struct procedure {
    const char *name;
    const char *before;
    const char *begins; /* the first action */
    const char *ends;   /* how it is seen to be over; when no fault comes */
};

static const struct procedure procedures[] = {
    {"takeover", "", "at 1s kill mysqld on m1\n", "within 5s expect writer is m2\n"},
    {"switchover", "", "at 1s switch over to m2 asked at m3\n", "within 5s expect writer is m2\n"},
    {"shrink", "", "at 1s cut the power of m2\n", "after 200ms within 5s expect writes go on\n"},
    {"grow",
     "at 1s cut the power of m2\n"
     "within 5s expect m2 is not in sync\n"
     "after 1s boot m2\n"
     "within 10s expect m2 follows m1\n",
     "", "within 10s expect m2 is in sync\n"},
    {"rejoin",
     "at 1s kill mysqld and agent on m1\n"
     "within 5s expect writer is m2\n",
     "after 1s start agent on m1\n", "within 10s expect m1 is in sync\n"},
};

static const struct {
    const char *name;
    const char *heading;
} worlds[] = {
    {"two candidates, a witness, MySQL",
     "seed 1\ncluster m1 candidate 100, m2 candidate 90, m3 witness\n"},
    {"two candidates, a replica, MariaDB",
     "seed 2\ncluster m1 candidate 100, m2 candidate 90, m3 replica of writer\n"},
};

struct exploration {
    const struct procedure *procedure;
    const char *heading;
    struct scenario *base;
    struct scenario *tried;
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

/* Effects between the beginning of the procedure and its end, in a run without a fault. */
static unsigned count_effects(struct exploration *e)
{
    struct outcome all, begin;
    stage_run(e->base, /* trace= */ NULL, &all);
    assert(!all.failed);
    *e->tried = *e->base;
    e->tried->n_statements--;
    stage_run(e->tried, /* trace= */ NULL, &begin);
    assert(!begin.failed);
    return all.effects - begin.effects;
}

static struct statement *add(struct exploration *e, enum statement_kind kind, unsigned index)
{
    struct statement *st = scenario_add(e->tried, kind, index);
    assert(st != NULL);
    return st;
}

static void expect(struct exploration *e, unsigned condition, int64_t within_ms)
{
    struct statement *st = add(e, STATEMENT_EXPECT, condition);
    st->how = within_ms > 0 ? HOW_WITHIN : HOW_NOW;
    st->how_ms = within_ms;
}

static void make_case(struct exploration *e, unsigned effect, unsigned action, unsigned a,
                      unsigned b)
{
    struct statement *st;
    *e->tried = *e->base;
    e->tried->n_statements--; /* how it would have ended */
    st = add(e, STATEMENT_ACTION, action);
    st->when = WHEN_EFFECT;
    st->when_arg = effect;
    st->args.a = (struct target){.kind = TARGET_NODE, .node = (uint8_t)a};
    st->args.b = (struct target){.kind = TARGET_NODE, .node = (uint8_t)b};
    st = add(e, STATEMENT_ACTION, ACTION_REPAIR_ALL);
    st->when = WHEN_AFTER;
    st->when_arg = 3000;
    expect(e, CONDITION_WHOLE, 40000);
    expect(e, CONDITION_NOTHING_LOST, 0);
}

static void try(struct exploration *e)
{
    struct outcome o;
    isolate_run(e->tried, &o);
    if (o.idle) /* at that moment there was nothing to do it to: no case */
        return;
    e->cases++;
    if (!o.failed)
        return;
    e->failed++;
    printf("# %s\n", o.text);
    scenario_write(e->tried, stdout);
    printf("\n");
}

static bool has_server(const struct exploration *e, unsigned node)
{
    return config_node_has_mysql(&e->base->cfg, node);
}

static bool needs_server(unsigned action)
{
    return action == ACTION_KILL_MYSQLD || action == ACTION_HANG_MYSQLD || action == ACTION_CUT_SQL;
}

static void try_effect(struct exploration *e, unsigned effect)
{
    unsigned n = e->base->cfg.n_nodes;
    for (unsigned a = 0; a < n; a++) {
        for (unsigned i = 0; i < sizeof single / sizeof *single; i++) {
            if (needs_server(single[i]) && !has_server(e, a))
                continue;
            make_case(e, effect, single[i], a, a);
            try(e);
        }
        for (unsigned b = 0; b < n; b++) {
            for (unsigned i = 0; i < sizeof paired / sizeof *paired; i++) {
                bool both = paired[i] != ACTION_CUT_WAY && b < a;
                if (a == b || both ||
                    (needs_server(paired[i]) && !(has_server(e, a) && has_server(e, b))))
                    continue;
                make_case(e, effect, paired[i], a, b);
                try(e);
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
    e.tried = malloc(sizeof *e.tried);
    assert(e.base != NULL && e.tried != NULL);
    read_base(&e);
    effects = count_effects(&e);
    for (unsigned effect = 1; effect <= effects; effect++)
        try_effect(&e, effect);
    if (options->tap)
        printf("%s %u - ", e.failed == 0 ? "ok" : "not ok", number);
    printf("%s, %s: %u effects, %u cases, %u failed\n", p->name, worlds[world].name, effects,
           e.cases, e.failed);
    (void)fflush(stdout);
    free(e.base);
    free(e.tried);
    return e.failed == 0;
}

int explore_run(const struct explore_options *options)
{
    const unsigned n_procedures = sizeof procedures / sizeof *procedures;
    const unsigned n_worlds = sizeof worlds / sizeof *worlds;
    unsigned number = 0;
    int failed = 0;
    if (options->tap)
        printf("1..%u\n", options->procedure == NULL ? n_procedures * n_worlds : n_worlds);
    for (unsigned p = 0; p < n_procedures; p++) {
        if (options->procedure != NULL && strcmp(options->procedure, procedures[p].name) != 0)
            continue;
        for (unsigned world = 0; world < n_worlds; world++)
            failed += !explore(&procedures[p], world, ++number, options);
    }
    return number > 0 ? failed : -1;
}

void explore_list(FILE *f)
{
    for (unsigned p = 0; p < sizeof procedures / sizeof *procedures; p++)
        fprintf(f, "%s%s", p == 0 ? "" : ", ", procedures[p].name);
}
