/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/copy_order.h"

#include <inttypes.h>
#include <unistd.h>

#include "cli/cli_ask.h"

#define COPY_LOOK_MS 500
#define COPY_RECORDED_MS 5000
#define COPY_LINE_MAX 256

enum copy_verdict copy_judge(const json_t *node, bool began, bool copied)
{
    if (!began || json_member_is(node, "reclone"))
        return COPY_GOES_ON;
    return copied ? COPY_DONE : COPY_TAKEN_BACK;
}

struct copy_watch {
    const struct cli_ask *ask;
    const char *node;
    int64_t start_ms;
    bool began;
    bool copied;
    char line[COPY_LINE_MAX]; /* printed last */
};

const char *copy_text(const json_t *node, char *buf, size_t size)
{
    const json_t *copy = json_object_get(node, "copy");
    const char *state = json_member_text(copy, "state", "none");
    const char *peer = json_member_text(copy, "peer", "?");
    int64_t left_s = json_member_number(copy, "left_s", -1);
    double rate_mb = (double)json_member_number(copy, "rate_kib", 0) / 1024;
    int n;
    buf[0] = '\0';
    if (strcmp(state, "none") == 0)
        return buf;
    if (strcmp(state, "receiving") != 0 && strcmp(state, "giving") != 0) {
        (void)snprintf(buf, size, "copy of %s: %s", peer, state);
        return buf;
    }
    n = snprintf(buf, size, "%s: %" PRId64 " of about %" PRId64 " MB, %.1f MB/s",
                 strcmp(state, "giving") == 0 ? "gives its data" : "receives a copy",
                 json_member_number(copy, "bytes", 0) >> 20,
                 json_member_number(copy, "bytes_total", 0) >> 20, rate_mb);
    if (left_s >= 0 && n > 0 && (size_t)n < size)
        (void)snprintf(buf + n, size - (size_t)n, ", %" PRId64 " s left", left_s);
    return buf;
}

static void copy_print(struct copy_watch *w, const json_t *node)
{
    char text[COPY_LINE_MAX];
    const char *state = json_member_text(node, "repair", "");
    /* What is done next is known to the leader's agent alone. */
    if (state[0] == '\0')
        state = copy_text(node, text, sizeof text);
    if (state[0] == '\0' || strcmp(state, w->line) == 0)
        return;
    (void)snprintf(w->line, sizeof w->line, "%s", state);
    fprintf(w->ask->cli->out, "%7" PRId64 " s  %s\n", (cli_now_ms() - w->start_ms) / 1000, state);
    (void)fflush(w->ask->cli->out);
}

/* Only the leader knows what is done next, but any agent what the record says. */
static enum copy_verdict copy_look(struct copy_watch *w)
{
    struct errmsg silent = ERRMSG_INIT;
    json_t *status = NULL;
    const json_t *node;
    const char *state;
    enum copy_verdict verdict;
    if (cli_ask_op_quietly(w->ask, "status", &silent, &status) != CLI_OK)
        return COPY_GOES_ON;
    node = json_member_node(status, w->node);
    state = json_member_text(json_object_get(node, "copy"), "state", "none");
    w->began = w->began || json_member_is(node, "reclone");
    w->copied = w->copied || strcmp(state, "placed") == 0 || strcmp(state, "adopted") == 0;
    copy_print(w, node);
    verdict = copy_judge(node, w->began, w->copied);
    json_decref(status);
    return verdict;
}

static int copy_wait(struct copy_watch *w)
{
    const struct cli *cli = w->ask->cli;
    for (;;) {
        switch (copy_look(w)) {
        case COPY_DONE:
            fprintf(cli->out, "done after %" PRId64 " s; the timeline: tandem history\n",
                    (cli_now_ms() - w->start_ms) / 1000);
            return CLI_OK;
        case COPY_TAKEN_BACK:
            return cli_fail(cli,
                            "the order was taken back; see `tandem history` and the agents' logs");
        default:
            break;
        }
        if (!w->began && cli_now_ms() - w->start_ms > COPY_RECORDED_MS)
            return cli_fail(cli,
                            "the order was accepted, but is not in the record; order it again");
        cli_sleep_ms(COPY_LOOK_MS);
    }
}

/* The new data replaces whatever the node has. */
static bool copy_is_confirmed(const struct cli *cli, const char *kind)
{
    char answer[8] = "";
    if (strcmp(kind, "join") != 0 || cli_option(cli, "yes") != NULL || isatty(STDIN_FILENO) == 0)
        return true;
    fprintf(cli->err,
            "%s's data directory is taken for foreign: nothing in it is salvaged, all of it is "
            "replaced. Go on? [y/N] ",
            cli->args[0]);
    return fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

static int copy_send(const struct cli_ask *ask, const char *kind, bool cancel)
{
    const struct cli *cli = ask->cli;
    struct copy_watch w = {.ask = ask, .node = cli->args[0], .start_ms = cli_now_ms()};
    struct errmsg text = ERRMSG_INIT;
    struct cli_copy copy = {
        .kind = kind, .node = cli->args[0], .from = cli_option(cli, "from"), .cancel = cancel};
    int status = cli_ask_copy(ask, &copy, &text);
    if (status != CLI_OK)
        return status;
    fprintf(cli->out, "%s\n", text.text);
    if (cancel)
        return CLI_OK;
    if (cli_option(cli, "no-wait") != NULL) {
        fprintf(cli->out, "watch it with: tandem status\n");
        return CLI_OK;
    }
    (void)fflush(cli->out);
    return copy_wait(&w);
}

int copy_order_run(struct cli *cli, const char *kind)
{
    struct cli_ask ask;
    bool cancel = cli_option(cli, "cancel") != NULL;
    int status;
    if (cli->n_args != 1)
        return cli_usage(cli, "say which node");
    if (!cancel && !copy_is_confirmed(cli, kind))
        return cli_fail(cli, "nothing was ordered");
    status = cli_ask_open(cli, &ask);
    if (status == CLI_OK)
        status = copy_send(&ask, kind, cancel);
    cli_ask_close(&ask);
    return status;
}
