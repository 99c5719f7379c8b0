/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>

#include "io/config/config_file.h"
#include "io/config/option.h"

/* In double quotes, with what libconfuse gives a meaning there made harmless. */
static void write_quoted(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (strchr("\"\\$", *text) != NULL)
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static bool write_is_bare(enum option_kind kind)
{
    return kind == OPTION_DURATION || kind == OPTION_COUNT || kind == OPTION_PORT ||
           kind == OPTION_FLAG;
}

static void write_option(const struct option_row *o, const char *name, const void *base,
                         const char *indent, FILE *out)
{
    char text[OPTION_VALUE_MAX];
    option_write(o, base, text);
    fprintf(out, "%s%s = ", indent, name);
    if (write_is_bare(o->kind))
        fputs(text, out);
    else
        write_quoted(text, out);
    fputc('\n', out);
}

static void write_cluster_block(const struct cluster_config *c, const char *block, FILE *out)
{
    const char *indent = block[0] == '\0' ? "" : "    ";
    for (unsigned row = 0; row < option_count(); row++) {
        const struct option_row *o = option_at(row);
        if (o->scope == OPTION_IN_CLUSTER && strcmp(o->block, block) == 0 &&
            o->kind != OPTION_NODES)
            write_option(o, o->name, c, indent, out);
    }
}

static void write_node(const struct cluster_config *c, unsigned i, FILE *out)
{
    const struct config_node *n = &c->nodes[i];
    fputs("node ", out);
    write_quoted(n->name, out);
    fputs(" {\n", out);
    for (unsigned row = 0; row < option_count(); row++) {
        const struct option_row *o = option_at(row);
        bool mysql = strcmp(o->block, "mysql") == 0;
        if (o->scope != OPTION_IN_NODE || (mysql && n->role == CONFIG_ROLE_WITNESS))
            continue;
        if (o->kind == OPTION_SOURCE) {
            fputs("    source = ", out);
            write_quoted(n->source == NODE_NONE ? "writer" : c->nodes[n->source].name, out);
            fputc('\n', out);
        } else {
            write_option(o, o->node_name, n, "    ", out);
        }
    }
    fputs("}\n", out);
}

static void write_vip(const struct config_vip *v, FILE *out)
{
    fprintf(out, "virtual_ipaddress \"%s/%u\" {\n", v->address, v->prefix);
    for (unsigned row = 0; row < option_count(); row++) {
        const struct option_row *o = option_at(row);
        if (o->scope == OPTION_IN_VIP)
            write_option(o, o->name, v, "    ", out);
    }
    fputs("}\n", out);
}

static void write_raft(const struct cluster_config *c, FILE *out)
{
    const char *joint = "";
    fputs("arbiter raft {\n", out);
    write_cluster_block(c, "arbiter", out);
    fputs("    voters = {", out);
    for (unsigned i = 0; i < c->n_nodes; i++) {
        if (!config_node_is_voter(c, i))
            continue;
        fputs(joint, out);
        write_quoted(c->nodes[i].name, out);
        joint = ", ";
    }
    fputs("}\n}\n", out);
}

static void write_vrrp(const struct cluster_config *c, FILE *out)
{
    fputs("arbiter vrrp {\n}\nvrrp {\n", out);
    write_cluster_block(c, "vrrp", out);
    fputs("}\n", out);
}

void config_write(const struct cluster_config *c, FILE *out)
{
    write_cluster_block(c, "", out);
    if (c->arbiter.type == CONFIG_ARBITER_VRRP)
        write_vrrp(c, out);
    else
        write_raft(c, out);
    fputs("policy {\n", out);
    write_cluster_block(c, "policy", out);
    fputs("}\n", out);
    for (unsigned i = 0; i < c->n_vips; i++)
        write_vip(&c->vips[i], out);
    for (unsigned i = 0; i < c->n_nodes; i++)
        write_node(c, i, out);
}

/* FNV-1a: the digest tells apart, it does not protect. */
int config_digest(const struct cluster_config *c, uint64_t *ret_digest)
{
    char *text = NULL;
    size_t length = 0;
    uint64_t digest = 0xcbf29ce484222325u;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL)
        return ERR_NOMEM;
    config_write(c, out);
    if (fclose(out) != 0) {
        free(text);
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < length; i++)
        digest = (digest ^ (unsigned char)text[i]) * 0x100000001b3u;
    free(text);
    *ret_digest = digest;
    return 0;
}
