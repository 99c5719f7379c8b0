/* SPDX-License-Identifier: Apache-2.0 */
#include "core/rules.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>

const struct rule *rules_decide(const struct rule_table *t, uint32_t facts)
{
    for (unsigned i = 0; i < t->n_rules; i++) {
        const struct rule *r = &t->rules[i];
        if ((facts & r->need) == r->need && (facts & r->forbid) == 0)
            return r;
    }
    assert(false && "a rule table must end with a rule without conditions");
    return &t->rules[t->n_rules - 1];
}

const struct rule *rules_find(const struct rule_table *t, uint16_t id)
{
    for (unsigned i = 0; i < t->n_rules; i++) {
        if (t->rules[i].id == id)
            return &t->rules[i];
    }
    return NULL;
}

const char *rules_facts_text(const struct rule_table *t, uint32_t facts, char *buf, size_t size)
{
    size_t at = 0;
    buf[0] = '\0';
    for (unsigned i = 0; i < t->n_facts && at < size; i++) {
        int n;
        if ((facts & (1u << i)) == 0)
            continue;
        n = snprintf(buf + at, size - at, "%s%s", at > 0 ? ", " : "", t->fact_names[i]);
        at += n > 0 ? (size_t)n : 0;
    }
    return buf;
}
