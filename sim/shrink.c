/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/shrink.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim/action.h"
#include "sim/isolate.h"
#include "sim/topology.h"

struct shrinking {
    struct scenario *best;
    struct outcome *outcome;
    struct scenario *tried;
    unsigned runs;
};

/* Runs what was tried; it becomes the best one if it fails alike. */
static bool fails_alike(struct shrinking *k)
{
    struct outcome o;
    if (k->runs >= SHRINK_RUNS_MAX)
        return false;
    k->runs++;
    isolate_run(k->tried, &o);
    if (!o.failed || strcmp(o.id, k->outcome->id) != 0)
        return false;
    *k->best = *k->tried;
    *k->outcome = o;
    return true;
}

/* ---- statements ---- */

/* What is expected, and the repairs without which it could not be expected. */
static bool is_fixed(const struct statement *st)
{
    return st->kind == STATEMENT_EXPECT || st->index == ACTION_REPAIR_CORE ||
           st->index == ACTION_REPAIR_ALL;
}

/* Takes out of `count` statements from `from` on what is not fixed; false: nothing. */
static bool leave_out(struct scenario *s, unsigned from, unsigned count)
{
    unsigned kept = from;
    for (unsigned i = from; i < s->n_statements; i++) {
        if (i >= from + count || is_fixed(&s->statements[i]))
            s->statements[kept++] = s->statements[i];
    }
    if (kept == s->n_statements)
        return false;
    s->n_statements = kept;
    return true;
}

static bool try_without(struct shrinking *k, unsigned from, unsigned count)
{
    *k->tried = *k->best;
    return leave_out(k->tried, from, count) && fails_alike(k);
}

/* Nothing behind the failure matters. */
static void drop_tail(struct shrinking *k)
{
    unsigned used = k->outcome->statement + 1;
    if (used >= k->best->n_statements)
        return;
    *k->tried = *k->best;
    k->tried->n_statements = used;
    (void)fails_alike(k);
}

/* One pass with that many at a time, from the end, where the symbolic nodes depend on least. */
static bool pass(struct shrinking *k, unsigned count)
{
    bool smaller = false;
    unsigned end = k->best->n_statements;
    while (end > 0) {
        unsigned from = end > count ? end - count : 0;
        if (end <= k->best->n_statements && try_without(k, from, end - from))
            smaller = true;
        end = from;
    }
    return smaller;
}

static void shrink_statements(struct shrinking *k)
{
    for (unsigned count = k->best->n_statements / 2; count > 1; count /= 2)
        (void)pass(k, count);
    while (pass(k, 1) && k->runs < SHRINK_RUNS_MAX)
        ;
}

/* ---- the cluster ---- */

static void shrink_settings(struct shrinking *k)
{
    struct cluster_config standard = k->best->cfg;
    topology_standard(&standard);
    for (unsigned i = 0; i < setting_count(); i++) {
        struct setting s = {.option = i};
        struct errmsg msg;
        if (!setting_is_usable(i))
            continue;
        s.value = setting_get(&standard, i);
        if (s.value == setting_get(&k->best->cfg, i))
            continue;
        *k->tried = *k->best;
        setting_apply(&k->tried->cfg, &s);
        if (topology_check(&k->tried->cfg, &msg) == 0)
            (void)fails_alike(k);
    }
}

static bool is_named(const struct scenario *s, unsigned node)
{
    for (unsigned i = 0; i < s->n_statements; i++) {
        const struct statement *st = &s->statements[i];
        const struct target *targets[] = {&st->args.a, &st->args.b, &st->asked_at};
        for (unsigned t = 0; t < 3; t++) {
            const char *hole = t == 0 ? "%n" : "%m";
            bool used = t == 2 ? st->asked
                               : st->kind == STATEMENT_ACTION &&
                                     strstr(action_patterns[st->index], hole) != NULL;
            if (used && targets[t]->kind == TARGET_NODE && targets[t]->node == node)
                return true;
        }
    }
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if (s->cfg.nodes[i].source == node)
            return true;
    }
    return false;
}

/* The last node, unless something names it: the others keep their positions. */
static void shrink_nodes(struct shrinking *k)
{
    for (;;) {
        struct errmsg msg;
        struct cluster_config *cfg = &k->tried->cfg;
        unsigned last = k->best->cfg.n_nodes - 1;
        if (last < 3 || is_named(k->best, last))
            return;
        *k->tried = *k->best;
        memset(&cfg->nodes[last], 0, sizeof cfg->nodes[last]);
        cfg->n_nodes = last;
        topology_default_voters(cfg);
        if (topology_check(cfg, &msg) != 0 || !fails_alike(k))
            return;
    }
}

unsigned shrink(struct scenario *s, struct outcome *o)
{
    struct shrinking k = {.best = s, .outcome = o, .tried = malloc(sizeof *s)};
    assert(k.tried != NULL);
    drop_tail(&k);
    shrink_statements(&k);
    shrink_nodes(&k);
    shrink_settings(&k);
    shrink_statements(&k);
    free(k.tried);
    return k.runs;
}
