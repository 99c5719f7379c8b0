/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_ask.h"

#include <unistd.h>

#include "io/control/control_client.h"

#define CLI_RECORDED_MS 3000
#define CLI_RECORDED_POLL_MS 20

int cli_ask_open(const struct cli *cli, struct cli_ask *ret_ask)
{
    int status;
    ret_ask->cli = cli;
    ret_ask->node = NODE_NONE;
    ret_ask->config = calloc(1, sizeof *ret_ask->config);
    if (ret_ask->config == NULL)
        return cli_fail(cli, "%s", err_text(ERR_NOMEM));
    status = cli_config(cli, ret_ask->config);
    if (status != CLI_OK)
        return status;
    return cli_node(cli, ret_ask->config, &ret_ask->node);
}

void cli_ask_close(struct cli_ask *ask)
{
    free(ask->config);
    ask->config = NULL;
}

/* Takes over the request. Replies that are only {"ok":false,...} are left to the caller. */
static int cli_ask_send(const struct cli_ask *ask, json_t *request, int64_t timeout_ms,
                        struct errmsg *ret_why, json_t **ret_reply)
{
    const char *run_dir = ask->config->nodes[ask->node].run_dir;
    int err = request == NULL
                  ? errmsg_set(ret_why, ERR_NOMEM, "%s", err_text(ERR_NOMEM))
                  : control_client_ask(run_dir, request, timeout_ms, ret_why, ret_reply);
    json_decref(request);
    if (err == 0)
        return CLI_OK;
    return err == ERR_NOMEM || err == ERR_PERM ? CLI_FAILED : CLI_NO_AGENT;
}

int cli_ask_op_quietly(const struct cli_ask *ask, const char *op, struct errmsg *ret_why,
                       json_t **ret_reply)
{
    json_t *reply = NULL;
    int status =
        cli_ask_send(ask, json_pack("{s:s}", "op", op), CLI_ASK_TIMEOUT_MS, ret_why, &reply);
    if (status != CLI_OK)
        return status;
    if (json_is_false(json_object_get(reply, "ok"))) {
        (void)errmsg_set(ret_why, 0, "%s", json_member_text(reply, "text", "refused"));
        json_decref(reply);
        return CLI_FAILED;
    }
    *ret_reply = reply;
    return CLI_OK;
}

int cli_ask_op(const struct cli_ask *ask, const char *op, json_t **ret_reply)
{
    struct errmsg why = ERRMSG_INIT;
    int status = cli_ask_op_quietly(ask, op, &why, ret_reply);
    if (status != CLI_OK)
        (void)cli_fail(ask->cli, "%s", why.text);
    return status;
}

static int cli_ask_order(const struct cli_ask *ask, json_t *request, struct errmsg *ret_text)
{
    json_t *reply = NULL;
    int status = cli_ask_send(ask, request, CLI_COMMAND_TIMEOUT_MS, ret_text, &reply);
    if (status == CLI_OK) {
        (void)errmsg_set(ret_text, 0, "%s", json_member_text(reply, "text", ""));
        status = json_member_is(reply, "ok") ? CLI_OK : CLI_FAILED;
    }
    json_decref(reply);
    if (status != CLI_OK)
        (void)cli_fail(ask->cli, "%s", ret_text->text);
    return status;
}

int cli_ask_command(const struct cli_ask *ask, const char *kind, const char *node, bool flag,
                    struct errmsg *ret_text)
{
    return cli_ask_order(
        ask,
        json_pack("{s:s,s:s,s:s?,s:b}", "op", "command", "kind", kind, "node", node, "flag", flag),
        ret_text);
}

int cli_ask_rebuild(const struct cli_ask *ask, bool accepted, struct errmsg *ret_text)
{
    return cli_ask_order(ask, json_pack("{s:s,s:b}", "op", "quorum-rebuild", "flag", accepted),
                         ret_text);
}

int cli_ask_copy(const struct cli_ask *ask, const struct cli_copy *copy, struct errmsg *ret_text)
{
    return cli_ask_order(ask,
                         json_pack("{s:s,s:s,s:s,s:s?,s:b}", "op", "command", "kind", copy->kind,
                                   "node", copy->node, "from", copy->from, "flag", copy->cancel),
                         ret_text);
}

static int cli_ask_wait(const struct cli_ask *ask, const char *node, bool flag,
                        cli_is_done_fn is_done)
{
    int64_t deadline_ms = cli_now_ms() + CLI_RECORDED_MS;
    struct errmsg why = ERRMSG_INIT;
    bool done = false;
    for (;;) {
        json_t *status = NULL;
        if (cli_ask_op_quietly(ask, "status", &why, &status) == CLI_OK)
            done = is_done(status, node, flag);
        json_decref(status);
        if (done || cli_now_ms() >= deadline_ms)
            break;
        cli_sleep_ms(CLI_RECORDED_POLL_MS);
    }
    if (done)
        return CLI_OK;
    return cli_fail(ask->cli,
                    "accepted, but not recorded after %d ms: another change may have come first; "
                    "look at `tandem status` and try again",
                    CLI_RECORDED_MS);
}

int cli_ask_simple(const struct cli *cli, const char *kind, const char *node, bool flag,
                   cli_is_done_fn is_done)
{
    struct cli_ask ask;
    struct errmsg text = ERRMSG_INIT;
    int status = cli_ask_open(cli, &ask);
    if (status == CLI_OK)
        status = cli_ask_command(&ask, kind, node, flag, &text);
    if (status == CLI_OK)
        status = cli_ask_wait(&ask, node, flag, is_done);
    if (status == CLI_OK)
        fprintf(cli->out, "%s\n", text.text);
    cli_ask_close(&ask);
    return status;
}

/* ---- JSON ---- */

const char *json_member_text(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : otherwise;
}

int64_t json_member_number(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : otherwise;
}

bool json_member_is(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

const json_t *json_member_node(const json_t *status, const char *name)
{
    const json_t *nodes = json_object_get(status, "nodes");
    for (size_t i = 0; i < json_array_size(nodes); i++) {
        const json_t *node = json_array_get(nodes, i);
        if (strcmp(json_member_text(node, "name", ""), name) == 0)
            return node;
    }
    return NULL;
}

const char *json_member_list(const json_t *object, const char *key, char *buf, size_t size)
{
    const json_t *list = json_object_get(object, key);
    size_t used = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < json_array_size(list) && used < size; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        int n =
            snprintf(buf + used, size - used, "%s%s", i > 0 ? ", " : "", text != NULL ? text : "?");
        used += n > 0 ? (size_t)n : 0;
    }
    return buf;
}

/* ---- the terminal ---- */

int64_t cli_now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void cli_sleep_ms(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&t, NULL);
}

bool cli_is_terminal(FILE *out)
{
    const char *no_colour = getenv("NO_COLOR");
    int fd = fileno(out);
    return fd >= 0 && isatty(fd) && (no_colour == NULL || no_colour[0] == '\0');
}
