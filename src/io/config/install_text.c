/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/install_text.h"

#include <string.h>

/* For /bin/sh, whatever the path contains. */
static void install_quoted(const char *text, FILE *out)
{
    fputc('\'', out);
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else
            fputc(*text, out);
    }
    fputc('\'', out);
}

static void install_file(const char *mode, const char *file, const char *path, FILE *out)
{
    if (path[0] == '\0')
        return;
    fprintf(out, "install -D -m %s ", mode);
    install_quoted(file, out);
    fputs(" \"$root\"", out);
    install_quoted(path, out);
    fputc('\n', out);
}

static void install_server(const struct config_node *n, enum server_flavour flavour, FILE *out)
{
    install_file("0600", "agent", n->mysql.agent_password_file, out);
    install_file("0600", "replication", n->mysql.replication_password_file, out);
    fputs("\n# The drop-in is named so that it is read last.\n"
          "for dir in /etc/mysql/mariadb.conf.d /etc/mysql/mysql.conf.d /etc/mysql/conf.d "
          "/etc/my.cnf.d; do\n"
          "    [ -d \"$root$dir\" ] || continue\n"
          "    install -m 0644 tandem.cnf \"$root$dir/zz-tandem.cnf\"\n"
          "    cnf=$dir/zz-tandem.cnf\n"
          "    break\n"
          "done\n"
          "[ -n \"${cnf-}\" ] || echo 'no directory for my.cnf drop-ins found: include tandem.cnf "
          "yourself' >&2\n"
          "\n# The agent starts the server, never the boot.\n",
          out);
    fprintf(out, "for unit in %s; do\n", flavour == SERVER_MARIADB ? "mariadb" : "mysql mysqld");
    fputs("    install -D -m 0644 mysqld-tandem.conf "
          "\"$root/etc/systemd/system/$unit.service.d/tandem.conf\"\n"
          "    [ -n \"$root\" ] || systemctl disable \"$unit\" 2>/dev/null || true\n"
          "done\n"
          "[ -n \"$root\" ] || systemctl daemon-reload 2>/dev/null || true\n",
          out);
}

static void install_raft(const struct config_node *n, FILE *out)
{
    fputs("\nstate=\"$root\"", out);
    install_quoted(n->state_dir, out);
    fputs("\ninstall -d -m 0700 \"$state\"\n"
          "case \"${1-}\" in --new | --join) ;; *) exit 0 ;; esac\n"
          "if [ -n \"$(ls -A \"$state/raft\" 2>/dev/null)\" ]; then\n"
          "    echo \"$state/raft exists: this node was part of a cluster; it is left as it is\" "
          ">&2\n"
          "    exit 1\n"
          "fi\n"
          "if [ \"$1\" = --join ]; then\n"
          "    : >\"$state/raft.join\"\n"
          "else\n"
          "    install -m 0600 raft.bootstrap \"$state/raft.bootstrap\"\n"
          "fi\n",
          out);
}

void install_text_write(const struct cluster_config *c, unsigned node, enum server_flavour flavour,
                        FILE *out)
{
    const struct config_node *n = &c->nodes[node];
    char file[NODE_NAME_MAX + 8];
    fprintf(out, "#!/bin/sh\n# Installs the files of node %s of cluster %s on its host, as root.\n",
            n->name, c->cluster);
    fputs("# It may be run again. --new: the cluster is new, so the node may begin its raft log; "
          "never for\n"
          "# a node that was part of the cluster before, which would vote without knowing its "
          "votes.\n"
          "# --join: a node that is added to a running cluster (`tandem node add`), or comes back "
          "after it\n"
          "# was removed from it.\n"
          "# With ROOT=DIR everything goes below DIR and nothing is told to systemd.\n"
          "set -eu\n"
          "cd \"$(dirname \"$0\")\"\n"
          "root=${ROOT-}\n",
          out);
    install_file("0644", "tandem.conf", "/etc/tandem/tandem.conf", out);
    install_file("0644", "ca.pem", n->tls.ca, out);
    (void)snprintf(file, sizeof file, "%s.pem", n->name);
    install_file("0644", file, n->tls.cert, out);
    (void)snprintf(file, sizeof file, "%s.key", n->name);
    install_file("0600", file, n->tls.key, out);
    if (config_node_has_mysql(c, node))
        install_server(n, flavour, out);
    install_raft(n, out);
}
