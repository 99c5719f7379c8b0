/* SPDX-License-Identifier: Apache-2.0 */
/* Prints docs/reference/rules.md: every rule table of the core, as Markdown. */
#include <stdio.h>

#include "core/core.h"
#include "core/cure.h"

static void print_facts(const struct rule_table *t, uint32_t mask, const char *none)
{
    const char *joint = "";
    for (unsigned i = 0; i < t->n_facts; i++) {
        if ((mask & (1u << i)) == 0)
            continue;
        printf("%s`%s`", joint, t->fact_names[i]);
        joint = ", ";
    }
    if (joint[0] == '\0')
        fputs(none, stdout);
}

static void print_table(const struct rule_table *t)
{
    printf("\n## Table `%s`\n\n", t->name);
    fputs("Facts: ", stdout);
    print_facts(t, UINT32_MAX, "none");
    fputs(".\n\n| rule | if | and not | then | why |\n|---|---|---|---|---|\n", stdout);
    for (unsigned i = 0; i < t->n_rules; i++) {
        const struct rule *r = &t->rules[i];
        printf("| %s/%u | ", t->name, r->id);
        print_facts(t, r->need, r->forbid == 0 ? "always" : "");
        fputs(" | ", stdout);
        print_facts(t, r->forbid, "");
        printf(" | **%s** | %s |\n", t->verdict_names[r->verdict], r->text);
    }
}

int main(void)
{
    fputs("<!-- Written by tools/gen-docs from the tables in src/core; do not edit. -->\n"
          "# Rules\n\n"
          "The first rule of a table whose facts in *if* all hold and whose facts in *and not* all "
          "do not "
          "hold decides. How to read them, and what each fact means: "
          "[design/rules.md](../design/rules.md). `tandem explain` shows which rule decides on "
          "each node "
          "now; `tandem history` names the rule behind each change.\n",
          stdout);
    for (unsigned i = 0; core_table_any(i) != NULL; i++)
        print_table(core_table_any(i));
    return 0;
}
