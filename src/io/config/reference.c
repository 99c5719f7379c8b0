/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/reference.h"

#include <stdbool.h>
#include <string.h>

#include "io/config/option.h"

struct reference_block {
    const char *block;
    const char *heading;
    const char *about;
};

static const struct reference_block reference_blocks[] = {
    {"", "Top of the file", "Outside all blocks."},
    {"arbiter", "arbiter raft { ... }",
     "Who may lead. `raft`: a majority of at least three voters decides, and the lease proves that "
     "there is one writer. `arbiter vrrp { }` is for two hosts without a third "
     "([design/vrrp.md](../design/vrrp.md)): it takes no options, its block is `vrrp`. These are "
     "the "
     "options of raft. The timing is judged as a whole by "
     "`tandem config check`: the lease must end before anybody else may be elected, and a healthy "
     "leader "
     "must not lose it."},
    {"vrrp", "vrrp { ... }",
     "The virtual router of two hosts, with `arbiter vrrp { }` only. The two candidates come first "
     "in "
     "the file and run agents; replicas have none, and the agent that leads manages their servers "
     "over the network. The priorities are those of the nodes, the addresses those of the "
     "`virtual_ipaddress` blocks, and advertisements go out on the device of the first one of each "
     "address family. A silent host is given up after three intervals and the skew time; "
     "`shrink_after`, by default five intervals and five seconds, must be longer than that and a "
     "second."},
    {"tls", "tls { ... }",
     "Certificates of the agents among themselves, as `tandem init` makes them."},
    {"mysql", "mysql { ... }", "The servers. What differs on one node is set in its node block."},
    {"policy", "policy { ... }", "What the agents do, and when."},
    {"http", "http { ... }", "Answers over HTTP ([http.md](http.md))."},
    {"hooks", "hooks { ... }", "Programs that are told about changes."},
    {"virtual_ipaddress", "virtual_ipaddress \"ADDRESS/PREFIX\" { ... }",
     "An address that the writer holds; any number of such blocks, IPv4 or IPv6."},
    {"node", "node NAME { ... }",
     "One host; 3 to 16 such blocks, two or more with `arbiter vrrp`. The name is the host name, "
     "or is "
     "given to the agent by "
     "`--node`. "
     "The order of the blocks must not change while agents run: it numbers the nodes."},
};
#define REFERENCE_BLOCKS (sizeof reference_blocks / sizeof *reference_blocks)

static void reference_value(const char *text, FILE *out)
{
    if (text == NULL)
        fputs("required", out);
    else if (text[0] == '\0')
        fputs("none", out);
    else
        fprintf(out, "`%s`", text);
}

static void reference_row(const struct option_row *o, const char *name, FILE *out)
{
    char allowed[OPTION_ALLOWED_MAX];
    option_allowed(o, allowed);
    fprintf(out, "| `%s` | %s | ", name, option_kind_text(o->kind));
    reference_value(o->def, out);
    if (o->fast != NULL)
        fprintf(out, "; profile fast: `%s`", o->fast);
    fprintf(out, " | %s | %s | %s |\n", allowed,
            o->change == OPTION_ROLLING ? "rolling" : "together", o->help);
}

static void reference_node_names(const char *block, FILE *out)
{
    const char *joint = "In a node block: ";
    for (unsigned i = 0; i < option_count(); i++) {
        const struct option_row *o = option_at(i);
        if (o->scope != OPTION_IN_NODE || strcmp(o->block, block) != 0 ||
            strcmp(block, "node") == 0)
            continue;
        if (strcmp(o->name, o->node_name) == 0)
            fprintf(out, "%s`%s`", joint, o->name);
        else
            fprintf(out, "%s`%s` as `%s`", joint, o->name, o->node_name);
        joint = ", ";
    }
    if (joint[0] == ',')
        fputs(".\n\n", out);
}

static void reference_section(const struct reference_block *b, FILE *out)
{
    fprintf(out, "## %s\n\n%s\n\n", b->heading, b->about);
    fputs("| option | kind | default | allowed | change | meaning |\n|---|---|---|---|---|---|\n",
          out);
    for (unsigned i = 0; i < option_count(); i++) {
        const struct option_row *o = option_at(i);
        if (strcmp(o->block, b->block) == 0)
            reference_row(o, o->name, out);
    }
    fputc('\n', out);
    reference_node_names(b->block, out);
}

void reference_write(FILE *out)
{
    fputs(
        "<!-- Written by `tandem config reference`; do not edit. -->\n"
        "# The cluster file\n\n"
        "One file, identical on every node, usually `/etc/tandem/tandem.conf`. `tandem init` "
        "writes one "
        "to start with, `tandem config check` judges it, `tandem config show` prints it with every "
        "default filled in. Its digest is compared between the nodes.\n\n"
        "* `name = value` sets an option; a value with spaces or one of `# = { } ( ) ,` needs "
        "double "
        "quotes. `#` begins a comment.\n"
        "* In double quotes a backslash makes the next character ordinary, and `${NAME}` is "
        "replaced "
        "from the environment: write `\\$` for a dollar.\n"
        "* Durations are milliseconds; a suffix `ms`, `s` or `m` is understood.\n"
        "* `%n` in a path or command is replaced with the node's name, so that one file fits all "
        "nodes.\n"
        "* Unknown blocks and options are errors, and so is an option that is set twice.\n"
        "* *change* tells how a new value is brought in after it was written on all nodes. "
        "*rolling*: "
        "restart the agents one after another. *together*: stop all agents, then start them, since "
        "an old and a new value must never be in use at the same time.\n\n",
        out);
    for (unsigned i = 0; i < REFERENCE_BLOCKS; i++)
        reference_section(&reference_blocks[i], out);
}

/* Quoted only where libconfuse needs it; a list is taken as it is. */
static void starter_value(const char *value, FILE *out)
{
    static const char bare[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (value[0] == '{' || (value[0] != '\0' && value[strspn(value, bare)] == '\0')) {
        fputs(value, out);
        return;
    }
    fputc('"', out);
    for (; *value != '\0'; value++) {
        if (strchr("\"\\$", *value) != NULL)
            fputc('\\', out);
        fputc(*value, out);
    }
    fputc('"', out);
}

/* Of numbers and words; what a path or an account may be needs no saying here. */
static void starter_allowed(const struct option_row *o, FILE *out)
{
    char allowed[OPTION_ALLOWED_MAX];
    bool number = o->kind == OPTION_DURATION || o->kind == OPTION_COUNT || o->kind == OPTION_PORT;
    bool word = strcmp(option_kind_text(o->kind), "word") == 0;
    if (!number && !word)
        return;
    option_allowed(o, allowed);
    fprintf(out, " (%.*s)", (int)strcspn(allowed, ";"), allowed);
}

static const struct starter_setting *starter_find(const struct starter_setting *settings,
                                                  unsigned n, const struct starter_setting *like)
{
    for (unsigned i = n; i-- > 0;) {
        const struct starter_setting *s = &settings[i];
        if (strcmp(s->block, like->block) == 0 && strcmp(s->title, like->title) == 0 &&
            strcmp(s->name, like->name) == 0)
            return s;
    }
    return NULL;
}

static void starter_option(const struct option_row *o, const struct starter_setting *set,
                           const char *indent, FILE *out)
{
    if (set != NULL) {
        fprintf(out, "%s%s = ", indent, o->name);
        starter_value(set->value, out);
        fputc('\n', out);
        return;
    }
    fprintf(out, "%s# %s", indent, o->help);
    starter_allowed(o, out);
    fprintf(out, "\n%s# %s = ", indent, o->name);
    starter_value(o->kind == OPTION_NODES ? "{}" : o->def, out);
    fputc('\n', out);
}

/* A name that the table does not know is written all the same: parsing the file will name it. */
static void starter_unknown(const struct starter_setting *settings, unsigned n, unsigned at,
                            const char *indent, FILE *out)
{
    const struct starter_setting *s = &settings[at];
    if (starter_find(settings, n, s) != s)
        return;
    fprintf(out, "%s%s = ", indent, s->name);
    starter_value(s->value, out);
    fputc('\n', out);
}

static bool starter_is_known(const struct starter_setting *s)
{
    for (unsigned i = 0; i < option_count(); i++) {
        if (strcmp(option_at(i)->block, s->block) == 0 && strcmp(option_at(i)->name, s->name) == 0)
            return true;
    }
    return false;
}

/* Whoever sets an option of block `vrrp` means that arbiter. */
static bool starter_is_vrrp(const struct starter_setting *settings, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(settings[i].block, "vrrp") == 0)
            return true;
    }
    return false;
}

static void starter_block(const char *block, const struct starter_setting *settings, unsigned n,
                          FILE *out)
{
    const char *indent = block[0] == '\0' ? "" : "    ";
    bool vrrp = starter_is_vrrp(settings, n);
    if (strcmp(block, vrrp ? "arbiter" : "vrrp") == 0) {
        fputs(vrrp ? "\narbiter vrrp {\n}\n" : "", out);
        return;
    }
    if (block[0] != '\0')
        fprintf(out, "\n%s%s {\n", block, strcmp(block, "arbiter") == 0 ? " raft" : "");
    for (unsigned i = 0; i < option_count(); i++) {
        const struct option_row *o = option_at(i);
        struct starter_setting like = {block, "", o->name, NULL};
        if (strcmp(o->block, block) == 0)
            starter_option(o, starter_find(settings, n, &like), indent, out);
    }
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(settings[i].block, block) == 0 && !starter_is_known(&settings[i]))
            starter_unknown(settings, n, i, indent, out);
    }
    if (block[0] != '\0')
        fputs("}\n", out);
}

/* The blocks with this title: only what is set. */
static void starter_titled(const struct starter_setting *settings, unsigned n, unsigned first,
                           FILE *out)
{
    const struct starter_setting *f = &settings[first];
    fprintf(out, "\n%s ", f->block);
    starter_value(f->title, out);
    fputs(" {\n", out);
    for (unsigned i = first; i < n; i++) {
        if (strcmp(settings[i].block, f->block) == 0 && strcmp(settings[i].title, f->title) == 0)
            starter_unknown(settings, n, i, "    ", out);
    }
    fputs("}\n", out);
}

void starter_write(const struct starter_setting *settings, unsigned n, FILE *out)
{
    fputs("# Cluster file of Tandem, identical on every node. Lines that begin with # show the "
          "defaults.\n"
          "# Check it with: tandem config check FILE\n\n",
          out);
    for (unsigned i = 0; i < REFERENCE_BLOCKS; i++) {
        const char *block = reference_blocks[i].block;
        bool titled = strcmp(block, "node") == 0 || strcmp(block, "virtual_ipaddress") == 0;
        if (!titled)
            starter_block(block, settings, n, out);
        for (unsigned k = 0; titled && k < n; k++) {
            bool is_first = strcmp(settings[k].block, block) == 0;
            for (unsigned j = 0; j < k && is_first; j++)
                is_first = strcmp(settings[j].block, block) != 0 ||
                           strcmp(settings[j].title, settings[k].title) != 0;
            if (is_first)
                starter_titled(settings, n, k, out);
        }
    }
}
