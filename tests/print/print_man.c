/* SPDX-License-Identifier: Apache-2.0 */
/* Prints docs/man/tandem.1 and docs/man/tandem.conf.5 from the tables of commands and options. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "io/config/option.h"

struct man_row {
    const char *command; /* of an option; "" = of every command */
    const char *name;
    const char *argument; /* NULL = none */
    const char *help;
};

static const struct man_row man_commands[] = {
#define COMMAND(name, arguments, help) {"", #name, arguments, help},
#define OPTION(command, name, argument, help)
#include "cli/cli.def"
#undef COMMAND
#undef OPTION
};

static const struct man_row man_options[] = {
#define COMMAND(name, arguments, help)
#define OPTION(command, name, argument, help) {command, name, argument, help},
#include "cli/cli.def"
#undef COMMAND
#undef OPTION
};

#define MAN_COMMANDS (sizeof man_commands / sizeof man_commands[0])
#define MAN_OPTIONS (sizeof man_options / sizeof man_options[0])

/* Text that roff must take as it is. */
static void man_text(const char *text)
{
    if (text[0] == '.' || text[0] == '\'')
        fputs("\\&", stdout);
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
    }
}

/* Fixed parts of the pages: roff already. */
static void man_raw(const char *const *lines, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fputs(lines[i], stdout);
        putchar('\n');
    }
}

#define MAN_RAW(lines) man_raw(lines, sizeof(lines) / sizeof(lines)[0])

static void man_option(const struct man_row *o)
{
    fputs(".TP\n\\fB\\-\\-", stdout);
    man_text(o->name);
    fputs("\\fR", stdout);
    if (o->argument != NULL) {
        fputs(" \\fI", stdout);
        man_text(o->argument);
        fputs("\\fR", stdout);
    }
    putchar('\n');
    man_text(o->help);
    putchar('\n');
}

static void man_options_of(const char *command)
{
    for (size_t i = 0; i < MAN_OPTIONS; i++) {
        if (strcmp(man_options[i].command, command) == 0)
            man_option(&man_options[i]);
    }
}

static void man_command(const struct man_row *c)
{
    fputs(".SS tandem ", stdout);
    man_text(c->name);
    if (c->argument[0] != '\0') {
        putchar(' ');
        man_text(c->argument);
    }
    putchar('\n');
    man_text(c->help);
    fputs(".\n", stdout);
    man_options_of(c->name);
}

static void man_tandem(void)
{
    static const char *const head[] = {
        ".\\\" Written by tools/gen-docs from src/cli/cli.def; do not edit.",
        ".TH TANDEM 1 \"\" \"Tandem\" \"User Commands\"",
        ".SH NAME",
        "tandem \\- keep a MySQL or MariaDB cluster writable at one address, without losing a "
        "commit",
        ".SH SYNOPSIS",
        ".B tandem",
        "\\fICOMMAND\\fR [\\fIARGUMENTS\\fR] [\\fIOPTIONS\\fR]",
        ".SH DESCRIPTION",
        "One agent, \\fBtandem agent\\fR, runs on every host of the cluster. The agents elect a "
        "leader",
        "by Raft; the leader is the only node that may be the writer. They keep a virtual address "
        "on",
        "the writer, keep account of the standbys that hold every acknowledged commit, and promote",
        "only such a standby when the writer fails.",
        ".PP",
        "The other commands talk to the agent of this host through a Unix socket, and therefore "
        "need",
        "its user (root). Orders may be given on any host: the agent passes them on to the leader.",
        ".SH COMMANDS",
    };
    static const char *const tail[] = {
        ".SH \"EXIT STATUS\"",
        ".TP",
        "0",
        "done, or the answer is yes; \\fBcheck\\fR: nothing is wrong",
        ".TP",
        "1",
        "failed, or the answer is no; \\fBcheck\\fR: there is a warning",
        ".TP",
        "2",
        "wrong options or arguments; \\fBcheck\\fR: there is a fault",
        ".TP",
        "3",
        "the agent of this node does not answer",
        ".SH FILES",
        ".TP",
        "/etc/tandem/tandem.conf",
        "the cluster file, identical on every node; see \\fBtandem.conf\\fR(5)",
        ".TP",
        "/etc/tandem/tls, /etc/tandem/secrets",
        "certificate and key of the node, certificate of the cluster's authority; passwords",
        ".TP",
        "/run/tandem/agent.sock",
        "where the agent listens for commands",
        ".TP",
        "/var/lib/tandem/raft",
        "the replicated record. Never copy it, never restore it from a backup or a snapshot",
        ".TP",
        "/var/lib/tandem/salvage",
        "transactions that were taken out of this node, one directory each",
        ".SH \"SEE ALSO\"",
        ".BR tandem.conf (5)",
    };
    MAN_RAW(head);
    for (size_t i = 0; i < MAN_COMMANDS; i++)
        man_command(&man_commands[i]);
    fputs(".SH \"OPTIONS OF EVERY COMMAND\"\n", stdout);
    man_options_of("");
    MAN_RAW(tail);
}

static void man_setting(const struct option_row *o)
{
    char allowed[OPTION_ALLOWED_MAX];
    option_allowed(o, allowed);
    fputs(".TP\n\\fB", stdout);
    man_text(o->name);
    fputs("\\fR = \\fI", stdout);
    man_text(option_kind_text(o->kind));
    fputs("\\fR", stdout);
    if (o->def == NULL)
        fputs(" (required)", stdout);
    else if (o->def[0] != '\0') {
        fputs(" (default ", stdout);
        man_text(o->def);
        if (o->fast != NULL) {
            fputs(", profile fast ", stdout);
            man_text(o->fast);
        }
        putchar(')');
    }
    putchar('\n');
    man_text(o->help);
    fputs(".\nAllowed: ", stdout);
    man_text(allowed);
    fputs(".\n", stdout);
    if (o->node_name != NULL && strcmp(o->block, "node") != 0) {
        fputs("In a node block: \\fB", stdout);
        man_text(o->node_name);
        fputs("\\fR.\n", stdout);
    }
    fputs(o->change == OPTION_ROLLING ? "Change: rolling.\n" : "Change: together.\n", stdout);
}

/* In the order of the table, which keeps the options of a block together. */
static void man_settings(void)
{
    const char *block = NULL;
    for (unsigned i = 0; i < option_count(); i++) {
        const struct option_row *o = option_at(i);
        if (block == NULL || strcmp(block, o->block) != 0) {
            block = o->block;
            fputs(".SS ", stdout);
            man_text(block[0] == '\0' ? "Top of the file" : block);
            putchar('\n');
        }
        man_setting(o);
    }
}

static void man_conf(void)
{
    static const char *const head[] = {
        ".\\\" Written by tools/gen-docs from src/io/config/config.def; do not edit.",
        ".TH TANDEM.CONF 5 \"\" \"Tandem\" \"File Formats\"",
        ".SH NAME",
        "tandem.conf \\- cluster file of Tandem",
        ".SH DESCRIPTION",
        "One file, identical on every node, usually /etc/tandem/tandem.conf. \\fBtandem init\\fR "
        "writes",
        "one to start with, \\fBtandem config check\\fR judges it, \\fBtandem config show\\fR "
        "prints it",
        "with every default filled in.",
        ".PP",
        "\\fIname\\fR = \\fIvalue\\fR sets an option; # begins a comment; values with spaces or "
        "one of",
        "# = { } ( ) , need double quotes, inside which a backslash makes the next character "
        "ordinary and",
        "${NAME} is replaced from the environment. Durations are milliseconds and may end in ms, s "
        "or m.",
        "%n in a path or command is replaced with the node's name. Unknown options are errors.",
        ".PP",
        "A \\fIrolling\\fR change is brought in by restarting the agents one after another; for a",
        "\\fItogether\\fR change all agents are stopped, then started.",
        ".SH EXAMPLE",
        ".nf",
        "cluster = demo",
        "arbiter raft { profile = lan }",
        "virtual_ipaddress \"172.17.0.101/16\" { device = eth0  label = \"eth0:vip\" }",
        "node m1 { address = \"172.17.0.10\"  role = candidate  priority = 100 }",
        "node m2 { address = \"172.17.0.11\"  role = candidate  priority = 50 }",
        "node m3 { address = \"172.17.0.15\"  role = replica  source = writer }",
        "node m4 { address = \"172.17.0.16\"  role = replica  source = m3 }",
        "node m5 { address = \"172.17.0.17\"  role = replica  source = m3 }",
        ".fi",
        ".SH OPTIONS",
    };
    static const char *const tail[] = {
        ".SH \"SEE ALSO\"",
        ".BR tandem (1)",
    };
    MAN_RAW(head);
    man_settings();
    MAN_RAW(tail);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "tandem.1") == 0)
        man_tandem();
    else if (argc == 2 && strcmp(argv[1], "tandem.conf.5") == 0)
        man_conf();
    else
        return 2;
    return 0;
}
