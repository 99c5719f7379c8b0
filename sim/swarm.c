/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/swarm.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/isolate.h"
#include "sim/pair_plan.h"
#include "sim/plan.h"
#include "sim/shrink.h"

/* So many failures are shrunk; more of them are of the same kind anyway. */
#define SHRUNK_MAX 5

struct swarm {
    const struct swarm_options *options;
    unsigned failed;
    uint64_t acks;
};

static void print_shrunk(struct scenario *s, struct outcome *o)
{
    unsigned actions = s->n_statements;
    unsigned runs = shrink(s, o);
    printf("shrunk from %u statements to %u in %u runs; as a scenario (save it, then tandem-sim "
           "--scenario "
           "FILE):\n\n",
           actions, s->n_statements, runs);
    printf("# %s\n", o->text);
    scenario_write(s, stdout);
    printf("\n");
}

static void draw(const struct swarm_options *options, uint64_t seed, struct scenario *ret_scenario)
{
    (options->pairs ? pair_plan_draw : plan_draw)(seed, ret_scenario);
}

static void print_failure(const struct swarm_options *options, uint64_t seed, struct outcome *o,
                          bool shrunk)
{
    struct scenario *s = malloc(sizeof *s);
    const char *option = options->pairs ? "pair" : "seed";
    assert(s != NULL);
    printf("%s %" PRIu64 " failed at %.3f s: %s\n", option, seed, (double)o->at_ms / 1000, o->text);
    printf("replay: tandem-sim --%s %" PRIu64 " --trace\n", option, seed);
    draw(options, seed, s);
    if (shrunk)
        print_shrunk(s, o);
    (void)fflush(stdout);
    free(s);
}

static void seed_done(void *data, const struct isolate_result *result)
{
    struct swarm *swarm = data;
    struct outcome o = result->outcome;
    swarm->acks += o.acks;
    if (!o.failed)
        return;
    swarm->failed++;
    print_failure(swarm->options, result->number, &o,
                  swarm->options->shrink && swarm->failed <= SHRUNK_MAX);
}

static void draw_seed(void *data, uint64_t seed, struct scenario *ret_scenario)
{
    struct swarm *swarm = data;
    draw(swarm->options, seed, ret_scenario);
}

unsigned swarm_run(const struct swarm_options *options)
{
    struct swarm swarm = {.options = options};
    struct isolate_batch batch = {.draw = draw_seed,
                                  .done = seed_done,
                                  .data = &swarm,
                                  .first = options->first,
                                  .last = options->last,
                                  .jobs = options->jobs};
    isolate_many(&batch);
    printf("%" PRIu64 " commits were acknowledged\n", swarm.acks);
    return swarm.failed;
}

bool swarm_trace(const struct swarm_options *options)
{
    struct scenario *s = malloc(sizeof *s);
    struct outcome o;
    assert(s != NULL);
    draw(options, options->first, s);
    scenario_write(s, stdout);
    stage_run(s, stdout, &o);
    free(s);
    return !o.failed;
}
