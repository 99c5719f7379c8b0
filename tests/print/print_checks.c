/* SPDX-License-Identifier: Apache-2.0 */
/* Prints docs/reference/checks.md: what `tandem check` asks, as Markdown. */
#include <stdio.h>

#include "core/check.h"

static const char *of_text(enum check_of of)
{
    static const char *const texts[] = {
        [OF_ANY] = "every node",
        [OF_AGENT] = "nodes with an agent",
        [OF_SERVER] = "nodes with a server",
        [OF_CANDIDATE] = "candidates",
    };
    return texts[of];
}

static const char *need_text(enum check_need need)
{
    static const char *const texts[] = {
        [NEED_AGENTS] = "an agent", [NEED_REPORT] = "an agent",   [NEED_FACTS] = "either",
        [NEED_HOST] = "either",     [NEED_LOCAL] = "on its host", [NEED_LOGIN] = "on its host",
    };
    return texts[need];
}

int main(void)
{
    fputs(
        "<!-- Written by tools/gen-docs from src/core/check.def; do not edit. -->\n"
        "# Checks\n\n"
        "What `tandem check` asks, in its order. *Seen by*: an agent tells it of every node; only "
        "`tandem check` on the node's own host can tell; or either. What nobody can tell is "
        "*unknown*, never *ok*. Whatever is not ok is printed with the reason and the "
        "fix.\n\n"
        "| id | asked | of | seen by | if not | why | fix |\n"
        "|---|---|---|---|---|---|---|\n",
        stdout);
    for (unsigned i = 0; check_row(i) != NULL; i++) {
        const struct check_row *r = check_row(i);
        printf("| `%s` | %s? | %s | %s | %s | %s | %s |\n", r->id, r->asked, of_text(r->of),
               need_text(r->need), check_level_text(r->level), r->why, r->fix);
    }
    return 0;
}
