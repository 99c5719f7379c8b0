/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/follow.h"

#include <inttypes.h>

#define FOLLOW_INTERVAL_MS 50
#define FOLLOW_RECORDED_MS 3000 /* an order that is accepted is recorded in less */
#define FOLLOW_LINE_MAX 512

struct follow {
    const struct cli_ask *ask;
    const char *from;
    const char *to;
    int64_t start_ms;
    int64_t deadline_ms;
    bool seen;
    char line[FOLLOW_LINE_MAX]; /* printed last */
    struct errmsg silent;       /* why the agent did not answer the last time; "" = it did */
};

struct follow_view follow_look(const json_t *status)
{
    struct follow_view v = {
        .writer = json_member_text(status, "writer", ""),
        .leader = json_member_text(status, "leader", ""),
        .handover = json_member_text(status, "handover", NULL) != NULL,
    };
    v.open = json_member_is(json_member_node(status, v.writer), "open") &&
             json_member_number(status, "lease_ms", 0) > 0;
    return v;
}

enum follow_verdict follow_judge(const struct follow_view *v, const char *from, const char *to,
                                 bool seen)
{
    bool there = to[0] != '\0' ? strcmp(v->writer, to) == 0 : strcmp(v->writer, from) != 0;
    if (there && v->open)
        return FOLLOW_DONE;
    /* Somebody is open, nothing is recorded (any more), and it is not the one that was meant. */
    return seen && !there && v->open && !v->handover ? FOLLOW_GIVEN_UP : FOLLOW_WAIT;
}

static void follow_print(struct follow *f, const json_t *status, const struct follow_view *v)
{
    char line[FOLLOW_LINE_MAX];
    const json_t *from = json_member_node(status, f->from);
    const json_t *to = json_member_node(status, f->to);
    size_t used = (size_t)snprintf(
        line, sizeof line, "leader %s, writer %s%s", v->leader[0] != '\0' ? v->leader : "none",
        v->writer[0] != '\0' ? v->writer : "none", v->open ? " (open)" : " (closed)");
    if (from != NULL && used < sizeof line)
        used += (size_t)snprintf(line + used, sizeof line - used, "; %s: %s", f->from,
                                 json_member_text(from, "phase", "not heard of"));
    if (to != NULL && used < sizeof line)
        (void)snprintf(line + used, sizeof line - used, "; %s: %s", f->to,
                       json_member_text(to, "phase", "not heard of"));
    if (strcmp(line, f->line) == 0)
        return;
    memcpy(f->line, line, sizeof f->line);
    fprintf(f->ask->cli->out, "%7" PRId64 " ms  %s\n", cli_now_ms() - f->start_ms, line);
    (void)fflush(f->ask->cli->out);
}

static enum follow_verdict follow_step(struct follow *f, char *ret_writer, size_t size)
{
    json_t *status = NULL;
    struct follow_view v;
    enum follow_verdict verdict;
    if (cli_ask_op_quietly(f->ask, "status", &f->silent, &status) != CLI_OK)
        return FOLLOW_WAIT;
    f->silent.text[0] = '\0';
    v = follow_look(status);
    follow_print(f, status, &v);
    verdict = follow_judge(&v, f->from, f->to,
                           f->seen || cli_now_ms() - f->start_ms > FOLLOW_RECORDED_MS);
    f->seen = f->seen || v.handover;
    (void)snprintf(ret_writer, size, "%s", v.writer);
    json_decref(status);
    return verdict;
}

static int follow_late(const struct follow *f)
{
    const struct cli *cli = f->ask->cli;
    if (f->silent.text[0] != '\0') {
        (void)cli_fail(cli, "%s", f->silent.text);
        return CLI_NO_AGENT;
    }
    return cli_fail(cli,
                    "not done after %" PRId64 " ms, and not given up either; watch it with `tandem "
                    "status --watch`, its reasons with `tandem explain`",
                    f->deadline_ms - f->start_ms);
}

int follow_change(const struct cli_ask *ask, const char *from, const char *to, int64_t timeout_ms)
{
    struct follow f = {.ask = ask, .from = from, .to = to, .start_ms = cli_now_ms()};
    char writer[NODE_NAME_MAX] = "";
    f.deadline_ms = f.start_ms + timeout_ms;
    while (cli_now_ms() < f.deadline_ms) {
        switch (follow_step(&f, writer, sizeof writer)) {
        case FOLLOW_DONE:
            fprintf(ask->cli->out,
                    "%s is the writer, %" PRId64 " ms after the order; the timeline: tandem "
                    "history 1\n",
                    writer, cli_now_ms() - f.start_ms);
            return CLI_OK;
        case FOLLOW_GIVEN_UP:
            return cli_fail(ask->cli,
                            "given up, the writer is %s; the reason: tandem history 1, tandem "
                            "status",
                            writer);
        default:
            cli_sleep_ms(FOLLOW_INTERVAL_MS);
        }
    }
    return follow_late(&f);
}
