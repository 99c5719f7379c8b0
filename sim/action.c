/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/action.h"

#include <string.h>

#include "sim/action_private.h"
#include "sim/pair_care.h"

#define BY_HAND ACTION_BY_HAND
#define NOT_WRITER ACTION_NOT_WRITER
#define ORDER ACTION_ORDER
#define WHOLE ACTION_WHOLE

const char *const action_patterns[ACTION_COUNT] = {
#define ACTION(name, traits, pattern, run, help) pattern,
#include "sim/actions.def"
#undef ACTION
};

const char *const action_helps[ACTION_COUNT] = {
#define ACTION(name, traits, pattern, run, help) help,
#include "sim/actions.def"
#undef ACTION
};

unsigned action_traits(unsigned kind)
{
    static const unsigned traits_of[ACTION_COUNT] = {
#define ACTION(name, traits, pattern, run, help) traits,
#include "sim/actions.def"
#undef ACTION
    };
    return traits_of[kind];
}

typedef bool action_fn(struct stage *s, unsigned node, const struct statement *st);

static action_fn *function_of(unsigned kind)
{
    static action_fn *const functions[ACTION_COUNT] = {
#define ACTION(name, traits, pattern, run, help) act_##run,
#include "sim/actions.def"
#undef ACTION
    };
    return functions[kind];
}

/* The promises do not cover it, or it would mean nothing. */
static bool is_left_out(const struct stage *s, unsigned node, const struct statement *st)
{
    unsigned writer = world_record(s->w)->writer;
    if (pair_care_spares(s, node, st))
        return true;
    return s->scenario->drawn && (action_traits(st->index) & ACTION_NOT_WRITER) != 0 &&
           (writer == NODE_NONE || node == writer);
}

static bool run_on_each(struct stage *s, const struct statement *st, uint32_t nodes)
{
    bool done = false;
    for (unsigned i = 0; i < s->cfg.n_nodes; i++) {
        if ((nodes & 1u << i) == 0 || is_left_out(s, i, st))
            continue;
        done = function_of(st->index)(s, i, st) || done;
    }
    return done;
}

bool action_run(struct stage *s, const struct statement *st)
{
    unsigned traits = action_traits(st->index);
    bool names_node = strstr(action_patterns[st->index], "%n") != NULL;
    uint32_t nodes = names_node ? stage_nodes(s, &st->args.a) : 0;
    unsigned first = names_node ? stage_node(s, &st->args.a) : NODE_NONE;
    bool done;
    if (names_node && nodes == 0)
        return false;
    if ((traits & ACTION_WHOLE) != 0)
        done = !is_left_out(s, first, st) && function_of(st->index)(s, first, st);
    else
        done = run_on_each(s, st, nodes);
    if (first != NODE_NONE)
        s->it = first;
    s->by_hand = s->by_hand || (done && (traits & ACTION_BY_HAND) != 0);
    return done;
}
