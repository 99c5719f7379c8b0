/* SPDX-License-Identifier: Apache-2.0 */
/* tandem status [--json] [--watch] [--count N] [--check] */
#include <errno.h>
#include <locale.h>

#include "cli/cli_ask.h"
#include "cli/status_view.h"

#define STATUS_WATCH_MS 1000

static void status_clear(FILE *out)
{
    if (cli_is_terminal(out))
        fputs("\033[H\033[J", out);
    else
        fputc('\n', out);
}

static void status_show(const struct cli *cli, const json_t *status)
{
    if (cli_option(cli, "json") == NULL) {
        status_view_print(status, cli_is_terminal(cli->out), cli->out);
        return;
    }
    (void)json_dumpf(status, cli->out,
                     cli_option(cli, "watch") != NULL ? JSON_COMPACT : JSON_INDENT(2));
    fputc('\n', cli->out);
}

static int status_once(const struct cli_ask *ask)
{
    json_t *status = NULL;
    int result = cli_ask_op(ask, "status", &status);
    if (result == CLI_OK) {
        status_show(ask->cli, status);
        if (cli_option(ask->cli, "check") != NULL && !json_member_is(status, "safe"))
            result = CLI_FAILED;
    }
    json_decref(status);
    return result;
}

/* Goes on when the agent does not answer: it may be restarting. Ends when nobody reads. */
static int status_watch(const struct cli_ask *ask, uint64_t count)
{
    const struct cli *cli = ask->cli;
    int result = CLI_OK;
    for (uint64_t i = 0; count == 0 || i < count; i++) {
        struct errmsg why = ERRMSG_INIT;
        json_t *status = NULL;
        if (i > 0)
            cli_sleep_ms(STATUS_WATCH_MS);
        result = cli_ask_op_quietly(ask, "status", &why, &status);
        if (i > 0 && cli_option(cli, "json") == NULL)
            status_clear(cli->out);
        if (result == CLI_OK)
            status_show(cli, status);
        else if (cli_option(cli, "json") == NULL)
            fprintf(cli->out, "%s\n", why.text);
        json_decref(status);
        if (fflush(cli->out) != 0)
            return CLI_FAILED;
    }
    return result;
}

int cmd_status(struct cli *cli)
{
    const char *text = cli_option(cli, "count");
    char *end = NULL;
    struct cli_ask ask;
    uint64_t count = 0;
    int result;
    if (cli->n_args > 0)
        return cli_usage(cli, "unknown argument '%s'", cli->args[0]);
    if (text != NULL) {
        count = strtoull(text, &end, 10);
        if (end == text || *end != '\0' || count == 0)
            return cli_usage(cli, "--count '%s': a number from 1 on", text);
    }
    /* Lines of the tree are drawn, not typed, where the terminal can. */
    if (cli_is_terminal(cli->out))
        (void)setlocale(LC_CTYPE, "");
    result = cli_ask_open(cli, &ask);
    if (result == CLI_OK)
        result = cli_option(cli, "watch") != NULL ? status_watch(&ask, count) : status_once(&ask);
    cli_ask_close(&ask);
    return result;
}
