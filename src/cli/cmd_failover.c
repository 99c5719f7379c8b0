/* SPDX-License-Identifier: Apache-2.0 */
/* tandem failover [--to NODE] [--accept-data-loss [--writer-is-off]] [--yes] */
#include <inttypes.h>
#include <unistd.h>

#include "cli/cli_ask.h"
#include "cli/follow.h"

#define FAILOVER_TIMEOUT_MS 120000 /* a server may have to be started and to catch up */

/* What is known of the price, before it is paid. */
static void failover_say_stake(const json_t *status, const char *to, FILE *out)
{
    const char *writer = json_member_text(status, "writer", "none");
    const json_t *target = json_member_node(status, to);
    const json_t *old = json_member_node(status, writer);
    int64_t missing = json_member_number(target, "behind_last_known", -1);
    int64_t age_ms = json_member_number(old, "age_ms", -1);
    fprintf(out, "%s\n", json_member_text(status, "safe_text", ""));
    if (json_member_is(target, "in_sync"))
        fprintf(out, "%s is in the in-sync set: it holds every acknowledged commit\n", to);
    else if (missing >= 0 && age_ms >= 0)
        fprintf(out,
                "%s lacks %" PRId64 " transactions of what %s held when it was last heard of, "
                "%.1f s ago, and everything that %s took after that\n",
                to, missing, writer, (double)age_ms / 1000.0, writer);
    else
        fprintf(out, "how much %s lacks of %s is not known here\n", to, writer);
    fprintf(out,
            "what only %s holds is not lost for good: it is saved there before that server is "
            "used again\n",
            writer);
}

/* True if the operator means it. */
static bool failover_confirmed(const struct cli *cli, const char *to)
{
    char answer[16];
    if (cli_option(cli, "yes") != NULL || !isatty(STDIN_FILENO))
        return true;
    fprintf(cli->out, "promote %s all the same? write yes: ", to);
    (void)fflush(cli->out);
    return fgets(answer, sizeof answer, stdin) != NULL && strcmp(answer, "yes\n") == 0;
}

static int failover_run(const struct cli_ask *ask, const char *to, bool accept)
{
    const struct cli *cli = ask->cli;
    const char *kind = cli_option(cli, "writer-is-off") != NULL ? "replace" : "failover";
    struct errmsg text = ERRMSG_INIT;
    json_t *before = NULL;
    char from[NODE_NAME_MAX];
    bool confirmed = true;
    int status = cli_ask_op(ask, "status", &before);
    if (status != CLI_OK)
        return status;
    (void)snprintf(from, sizeof from, "%s", json_member_text(before, "writer", ""));
    if (accept && to != NULL) {
        failover_say_stake(before, to, cli->out);
        confirmed = failover_confirmed(cli, to);
    }
    json_decref(before);
    if (!confirmed)
        return cli_fail(cli, "nothing was done");
    status = cli_ask_command(ask, kind, to, accept, &text);
    if (status != CLI_OK)
        return status;
    fprintf(cli->out, "%s\n", text.text);
    return follow_change(ask, from, to != NULL ? to : "", FAILOVER_TIMEOUT_MS);
}

int cmd_failover(struct cli *cli)
{
    const char *to = cli_option(cli, "to");
    bool accept = cli_option(cli, "accept-data-loss") != NULL;
    struct cli_ask ask;
    int status;
    if (cli->n_args > 0)
        return cli_usage(cli, "unknown argument '%s'; name the node with --to NODE", cli->args[0]);
    if (accept && to == NULL)
        return cli_usage(cli, "--accept-data-loss needs --to NODE: say whose data shall remain");
    if (cli_option(cli, "writer-is-off") != NULL && !accept)
        return cli_usage(cli, "--writer-is-off goes with --accept-data-loss");
    status = cli_ask_open(cli, &ask);
    if (status == CLI_OK)
        status = failover_run(&ask, to, accept);
    cli_ask_close(&ask);
    return status;
}
