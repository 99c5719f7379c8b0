/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions as ordered tables over named facts. The facts of a step are gathered once into a bit
 * mask; the first rule whose needed facts are all there and whose forbidden facts are all absent
 * decides. Ids are stable, ascending by tens and never reused; the last row has no condition, so
 * every table is total.
 */
#ifndef TANDEM_CORE_RULES_H
#define TANDEM_CORE_RULES_H

#include <stddef.h>
#include <stdint.h>

struct rule {
    uint16_t id;
    uint32_t need;
    uint32_t forbid;
    int verdict;
    const char *text; /* the reason, for the operator */
};

struct rule_table {
    const char *name;
    const struct rule *rules;
    unsigned n_rules;
    const char *const *fact_names; /* by bit */
    unsigned n_facts;
    const char *const *verdict_names;
    unsigned n_verdicts;
};

/* Initialiser from three whole arrays: rules, names of the facts, names of the verdicts. */
#define RULE_TABLE(word, rule_list, facts, verdicts)                                              \
    {                                                                                             \
        .name = (word), .rules = (rule_list), .n_rules = sizeof(rule_list) / sizeof(struct rule), \
        .fact_names = (facts), .n_facts = sizeof(facts) / sizeof(facts)[0],                       \
        .verdict_names = (verdicts), .n_verdicts = sizeof(verdicts) / sizeof(verdicts)[0],        \
    }

const struct rule *rules_decide(const struct rule_table *t, uint32_t facts);
const struct rule *rules_find(const struct rule_table *t, uint16_t id);
/* "fact, fact, ..." of a mask, as far as it fits. Returns buf. */
const char *rules_facts_text(const struct rule_table *t, uint32_t facts, char *buf, size_t size);

#endif
