/* SPDX-License-Identifier: Apache-2.0 */
/* Prints docs/reference/metrics.md from src/app/metrics.def. */
#include <stdio.h>

#include "app/metrics.h"

int main(void)
{
    fputs("<!-- Written by tools/gen-docs from src/app/metrics.def; do not edit. -->\n"
          "# Metrics\n\n"
          "What `/metrics` of each agent tells ([http.md](http.md)), Prometheus text format 0.0.4. "
          "Each agent tells the cluster as it knows it; `tandem_agent_up` says whom it hears. A "
          "name is never given another meaning. `NaN`: not known.\n\n"
          "| metric | labels | type | what |\n|---|---|---|---|\n",
          stdout);
    for (unsigned i = 0; metric_row(i) != NULL; i++) {
        const struct metric_row *r = metric_row(i);
        printf("| `%s` | %s | %s | %s |\n", r->name, r->labels, r->type, r->help);
    }
    fputs("\nWorth an alarm: `tandem_safe == 0`, `tandem_at_stake_transactions > 0`, "
          "`max(tandem_primary) == 0` over all agents, `sum(tandem_primary) > 1`, `tandem_paused "
          "== 1` for long, `tandem_quarantined == 1`, `tandem_certificate_days < 14`, "
          "`tandem_troubles > 0` for long.\n",
          stdout);
    return 0;
}
