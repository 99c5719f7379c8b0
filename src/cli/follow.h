/* SPDX-License-Identifier: Apache-2.0 */
/* Watches a change of the writer that was ordered until it is done or given up. */
#ifndef TANDEM_CLI_FOLLOW_H
#define TANDEM_CLI_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/cli_ask.h"

/* One look at the cluster. Texts belong to the JSON. */
struct follow_view {
    const char *writer; /* "" = none */
    const char *leader;
    bool open;     /* the writer takes writes: opened, with a lease */
    bool handover; /* the order is recorded and not done yet */
};

enum follow_verdict { FOLLOW_WAIT, FOLLOW_DONE, FOLLOW_GIVEN_UP };

struct follow_view follow_look(const json_t *status);
/* from: the writer before; to: "" = any other. seen: the order was recorded at an earlier look. */
enum follow_verdict follow_judge(const struct follow_view *v, const char *from, const char *to,
                                 bool seen);

/* Prints each step with its milliseconds; the exit status of the command. */
int follow_change(const struct cli_ask *ask, const char *from, const char *to, int64_t timeout_ms);

#endif
