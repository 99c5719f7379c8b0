/* SPDX-License-Identifier: Apache-2.0 */
/* tandem shadow [--record FILE] [--user NAME] [--password-file FILE]; tandem shadow --show FILE
 * [--json]
 */
#include <errno.h>
#include <jansson.h>

#include "cli/cli.h"

/* Each line is an object. One that is cut off (its writer was killed) is left out, and with it what
 * the next writer began on the same line. */
static json_t *shadow_read(FILE *in, unsigned *ret_left_out)
{
    json_t *all = json_array();
    char *text = NULL;
    size_t size = 0;
    *ret_left_out = 0;
    while (getline(&text, &size, in) > 0) {
        json_t *line = json_loads(text, 0, NULL);
        *ret_left_out += line == NULL;
        (void)json_array_append_new(all, line);
    }
    free(text);
    return all;
}

static const char *shadow_text(const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));
    return text != NULL ? text : "";
}

static void shadow_print(const json_t *all, FILE *out)
{
    const json_t *line;
    size_t i;
    json_array_foreach(all, i, line)
    {
        const json_t *after = json_object_get(line, "after_ms");
        const char *rule = shadow_text(line, "rule"), *why = shadow_text(line, "why");
        fprintf(out, "%s  ", shadow_text(line, "time"));
        if (json_is_integer(after))
            fprintf(out, "%+8lld ms  ", (long long)json_integer_value(after));
        else
            fprintf(out, "%11s  ", "");
        fprintf(out, "%s\n", shadow_text(line, "text"));
        if (why[0] != '\0')
            fprintf(out, "%39s%s%s%s\n", "", rule, rule[0] != '\0' ? ": " : "", why);
    }
}

static int shadow_show(struct cli *cli, const char *path)
{
    FILE *in = fopen(path, "re");
    unsigned left_out;
    json_t *all;
    if (in == NULL)
        return cli_fail(cli, "cannot read '%s': %s", path, strerror(errno));
    all = shadow_read(in, &left_out);
    (void)fclose(in);
    if (cli_option(cli, "json") != NULL) {
        (void)json_dumpf(all, cli->out, JSON_INDENT(2));
        fputc('\n', cli->out);
    } else if (json_array_size(all) == 0 && left_out == 0) {
        fputs("nothing was recorded yet\n", cli->out);
    } else {
        shadow_print(all, cli->out);
    }
    json_decref(all);
    if (left_out > 0)
        fprintf(cli->err,
                "%u lines of '%s' are no records of tandem shadow, or cut off: left out\n",
                left_out, path);
    return CLI_OK;
}

int cmd_shadow(struct cli *cli)
{
    const char *path = cli_option(cli, "show");
    struct cluster_config *c;
    int status;
    if (cli->n_args > 0)
        return cli_usage(cli, "unknown argument '%s'", cli->args[0]);
    if (path != NULL)
        return shadow_show(cli, path);
    if (cli_option(cli, "json") != NULL)
        return cli_usage(cli, "--json needs --show FILE");
    c = calloc(1, sizeof *c);
    if (c == NULL)
        return cli_fail(cli, "%s", err_text(ERR_NOMEM));
    status = cli_config(cli, c);
    if (status == CLI_OK)
        status =
            cli->services->run_shadow(c, cli_option(cli, "user"), cli_option(cli, "password-file"),
                                      cli_option(cli, "record")) == 0
                ? CLI_OK
                : CLI_FAILED;
    free(c);
    return status;
}
