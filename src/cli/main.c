/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <getopt.h>
#include <stdarg.h>

#include "cli/cli.h"

#define CLI_OPTIONS_MAX 32 /* of one command, general ones included */

struct cli_command {
    const char *name;
    const char *arguments;
    const char *help;
    int (*run)(struct cli *cli);
};

struct cli_option_row {
    const char *command;
    const char *name;
    const char *argument;
    const char *help;
};

static const struct cli_command cli_commands[] = {
#define COMMAND(name, arguments, help) {#name, arguments, help, cmd_##name},
#define OPTION(command, name, argument, help)
#include "cli/cli.def"
#undef COMMAND
#undef OPTION
};
#define CLI_COMMANDS (sizeof cli_commands / sizeof *cli_commands)

static const struct cli_option_row cli_option_rows[] = {
#define COMMAND(name, arguments, help)
#define OPTION(command, name, argument, help) {command, name, argument, help},
#include "cli/cli.def"
#undef COMMAND
#undef OPTION
};
#define CLI_OPTION_ROWS (sizeof cli_option_rows / sizeof *cli_option_rows)

static const struct cli_command *cli_command_find(const char *name)
{
    for (unsigned i = 0; i < CLI_COMMANDS; i++) {
        if (strcmp(cli_commands[i].name, name) == 0)
            return &cli_commands[i];
    }
    return NULL;
}

/* A command's own option hides the general one of that name. */
static bool cli_option_is_shown(const struct cli_option_row *row, const char *command)
{
    if (row->command[0] != '\0')
        return strcmp(row->command, command) == 0;
    for (unsigned i = 0; i < CLI_OPTION_ROWS; i++) {
        const struct cli_option_row *other = &cli_option_rows[i];
        if (command[0] != '\0' && strcmp(other->command, command) == 0 &&
            strcmp(other->name, row->name) == 0)
            return false;
    }
    return true;
}

static void cli_help_option(const struct cli_option_row *row, FILE *out)
{
    char left[80];
    (void)snprintf(left, sizeof left, "--%s%s%s", row->name, row->argument != NULL ? " " : "",
                   row->argument != NULL ? row->argument : "");
    if (strlen(left) > 20)
        fprintf(out, "  %s\n  %-20s  %s\n", left, "", row->help);
    else
        fprintf(out, "  %-20s  %s\n", left, row->help);
}

static void cli_help_options(const char *command, bool general, FILE *out)
{
    for (unsigned i = 0; i < CLI_OPTION_ROWS; i++) {
        const struct cli_option_row *row = &cli_option_rows[i];
        if ((row->command[0] == '\0') == general && cli_option_is_shown(row, command))
            cli_help_option(row, out);
    }
}

static void cli_help(FILE *out)
{
    fputs("usage: tandem COMMAND [ARGUMENTS] [OPTIONS]\n\nCommands (tandem COMMAND --help tells "
          "more):\n",
          out);
    for (unsigned i = 0; i < CLI_COMMANDS; i++)
        fprintf(out, "  %-12s  %s\n", cli_commands[i].name, cli_commands[i].help);
    fputs("\nOptions of every command:\n", out);
    cli_help_options("", true, out);
    fputs("\nExit status:\n"
          "  0  done, or the answer is yes\n"
          "  1  failed, or the answer is no\n"
          "  2  wrong options or arguments\n"
          "  3  the agent of this node does not answer\n",
          out);
}

static void cli_help_command(const struct cli_command *c, FILE *out)
{
    fprintf(out, "usage: tandem %s%s%s [OPTIONS]\n\n%s\n\nOptions:\n", c->name,
            c->arguments[0] != '\0' ? " " : "", c->arguments, c->help);
    cli_help_options(c->name, false, out);
    cli_help_options(c->name, true, out);
}

int cli_usage(const struct cli *cli, const char *fmt, ...)
{
    va_list ap;
    fprintf(cli->err, "tandem %s: ", cli->command);
    va_start(ap, fmt);
    (void)vfprintf(cli->err, fmt, ap);
    va_end(ap);
    fprintf(cli->err, "\nsee: tandem %s --help\n", cli->command);
    return CLI_USAGE;
}

int cli_fail(const struct cli *cli, const char *fmt, ...)
{
    va_list ap;
    fprintf(cli->err, "tandem %s: ", cli->command);
    va_start(ap, fmt);
    (void)vfprintf(cli->err, fmt, ap);
    va_end(ap);
    fputc('\n', cli->err);
    return CLI_FAILED;
}

const char *cli_option_next(const struct cli *cli, const char *name, unsigned *position)
{
    while (*position < cli->n_values) {
        const struct cli_value *v = &cli->values[(*position)++];
        if (strcmp(v->name, name) == 0)
            return v->value;
    }
    return NULL;
}

const char *cli_option(const struct cli *cli, const char *name)
{
    const char *last = NULL;
    const char *value;
    unsigned position = 0;
    while ((value = cli_option_next(cli, name, &position)) != NULL)
        last = value;
    return last;
}

static void cli_getopt_table(const char *command, struct option table[CLI_OPTIONS_MAX])
{
    unsigned n = 0;
    for (unsigned i = 0; i < CLI_OPTION_ROWS; i++) {
        const struct cli_option_row *row = &cli_option_rows[i];
        if (!cli_option_is_shown(row, command))
            continue;
        assert(n + 1 < CLI_OPTIONS_MAX);
        table[n++] =
            (struct option){.name = row->name,
                            .has_arg = row->argument != NULL ? required_argument : no_argument,
                            .val = 1};
    }
    table[n] = (struct option){.name = NULL};
}

/* -o is short for --out where a command has that. */
static int cli_short_option(const struct option *table, int *index)
{
    for (int i = 0; table[i].name != NULL; i++) {
        if (strcmp(table[i].name, "out") == 0) {
            *index = i;
            return 1;
        }
    }
    return '?';
}

/* Reads the options into cli->values; `order` is getopt's: with '+' it stops at the first
 * argument. */
static int cli_read_options(struct cli *cli, int argc, char **argv, const char *order)
{
    struct option table[CLI_OPTIONS_MAX];
    int index = 0;
    int got;
    cli_getopt_table(cli->command, table);
    opterr = 0;
    optind = 0;
    while ((got = getopt_long(argc, argv, order, table, &index)) != -1) {
        if (got == 'o' && (got = cli_short_option(table, &index)) != 1)
            return cli_usage(cli, "unknown option '-o'");
        if (got == ':')
            return cli_usage(cli, "option '%s' needs a value", argv[optind - 1]);
        if (got != 1)
            return cli_usage(cli, "unknown option '%s'", argv[optind - 1]);
        if (cli->n_values == CLI_VALUES_MAX)
            return cli_usage(cli, "more than %d options", CLI_VALUES_MAX);
        cli->values[cli->n_values].name = table[index].name;
        cli->values[cli->n_values++].value = optarg != NULL ? optarg : "";
    }
    return CLI_OK;
}

static int cli_run(struct cli *cli, const struct cli_command *c)
{
    int status;
    if (cli_option(cli, "help") != NULL) {
        cli_help_command(c, cli->out);
        return CLI_OK;
    }
    status = c->run(cli);
    /* A full disk or a closed pipe must not look like success. */
    if (fflush(cli->out) != 0 && status == CLI_OK)
        return CLI_FAILED;
    return status;
}

int cli_main(int argc, char **argv, const struct cli_services *services, FILE *out, FILE *err)
{
    struct cli cli = {.services = services, .out = out, .err = err, .command = ""};
    const struct cli_command *c;
    int status = cli_read_options(&cli, argc, argv, "+:o:");
    int first = optind;
    if (status != CLI_OK)
        return status;
    if (cli_option(&cli, "help") != NULL || first == argc) {
        cli_help(first == argc && cli.n_values == 0 ? err : out);
        return cli_option(&cli, "help") != NULL ? CLI_OK : CLI_USAGE;
    }
    c = cli_command_find(argv[first]);
    if (c == NULL && strcmp(argv[first], "help") == 0) {
        cli_help(out);
        return CLI_OK;
    }
    if (c == NULL) {
        fprintf(err, "tandem: unknown command '%s'\nsee: tandem --help\n", argv[first]);
        return CLI_USAGE;
    }
    cli.command = c->name;
    status = cli_read_options(&cli, argc - first, argv + first, ":o:");
    if (status != CLI_OK)
        return status;
    cli.args = argv + first + optind;
    cli.n_args = argc - first - optind;
    return cli_run(&cli, c);
}
