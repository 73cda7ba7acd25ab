/* options.c: the command line. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"

static const char usage[] =
    "usage: muster-device --host HOST --id ID [OPTION...]\n"
    "\n"
    "Connects a Linux device to Muster: updates, commands, alerts.\n"
    "The secret is read from --secret-file, or from the environment: MUSTER_SECRET.\n"
    "\n"
    "  --host HOST              the server\n"
    "  --port PORT              1883, or 8883 with --cafile\n"
    "  --cafile FILE            certificates to trust: use TLS\n"
    "  --insecure               don't check the server's name in its certificate\n"
    "  --id ID                  device id\n"
    "  --user NAME              user name, if the import shows one (ID@TEAM); default: the id\n"
    "  --secret-file FILE       the device's secret\n"
    "  --state DIR              where progress and images are kept (/var/lib/muster-device)\n"
    "  --product SLUG           product the software was built for\n"
    "  --hardware REVISION      hardware revision\n"
    "  --max-image BYTES        the largest image that can be stored (256 MiB)\n"
    "  --version VERSION        what runs, or\n"
    "  --version-command CMD    a command that prints it\n"
    "\n"
    "  --install file:PATH      put the image at PATH; the old file comes back if the new one is not kept\n"
    "  --install command:CMD    run CMD with the image's path as $1\n"
    "  --install rauc           rauc install, mark-good, reboot\n"
    "  --install swupdate       swupdate -i, reboot\n"
    "  --keep-command CMD       run when the new image is to be kept\n"
    "  --restart-command CMD    run to restart; default: this program starts itself again\n"
    "  --self-test CMD          run after an update: exit code 0 keeps it, others fall back\n"
    "  --trial SECONDS          restart if the update was not kept by then (0: wait for ever)\n"
    "\n"
    "  --busy-file FILE         while it exists, neither download nor install\n"
    "  --on-command CMD         run for a command: its name is $1, its payload stdin, the result stdout\n"
    "\n"
    "Lines written to DIR/control: alert TYPE TEXT, message NAME TEXT, takes on|off, hello, healthy.\n";

static void wrong(const char *text)
{
    fprintf(stderr, "muster-device: %s; see --help\n", text);
    exit(2);
}

static void read_secret(options_t *o, const char *file)
{
    const char *env = getenv("MUSTER_SECRET");
    if (file != NULL) {
        FILE *f = fopen(file, "r");
        size_t n;
        if (f == NULL) {
            perror(file);
            exit(2);
        }
        n = fread(o->secret, 1, sizeof o->secret - 1, f);
        (void)fclose(f);
        o->secret[n] = '\0';
        o->secret[strcspn(o->secret, "\r\n")] = '\0';
    } else if (env != NULL) {
        (void)snprintf(o->secret, sizeof o->secret, "%s", env);
    } else {
        wrong("a secret is needed: --secret-file or MUSTER_SECRET");
    }
}

void options_read(options_t *o, int argc, char **argv)
{
    enum { HOST = 1, PORT, CAFILE, INSECURE, ID, USER, SECRET, STATE, PRODUCT, HARDWARE, MAX, VERSION, VERSIONC, INSTALL, KEEP, RESTART, TEST, TRIAL, BUSY, COMMAND, HELP };
    static const struct option known[] = {
        {"host", 1, 0, HOST}, {"port", 1, 0, PORT}, {"cafile", 1, 0, CAFILE}, {"insecure", 0, 0, INSECURE}, {"id", 1, 0, ID}, {"user", 1, 0, USER},
        {"secret-file", 1, 0, SECRET}, {"state", 1, 0, STATE}, {"product", 1, 0, PRODUCT}, {"hardware", 1, 0, HARDWARE},
        {"max-image", 1, 0, MAX}, {"version", 1, 0, VERSION}, {"version-command", 1, 0, VERSIONC}, {"install", 1, 0, INSTALL},
        {"keep-command", 1, 0, KEEP}, {"restart-command", 1, 0, RESTART}, {"self-test", 1, 0, TEST}, {"trial", 1, 0, TRIAL},
        {"busy-file", 1, 0, BUSY}, {"on-command", 1, 0, COMMAND}, {"help", 0, 0, HELP}, {0, 0, 0, 0}};
    const char *secret_file = NULL;
    int c;
    memset(o, 0, sizeof *o);
    o->state = "/var/lib/muster-device";
    o->max_image = 256u << 20;
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case HOST: o->host = optarg; break;
        case PORT: o->port = atoi(optarg); break;
        case CAFILE: o->cafile = optarg; break;
        case INSECURE: o->insecure = true; break;
        case ID: o->id = optarg; break;
        case USER: o->user = optarg; break;
        case SECRET: secret_file = optarg; break;
        case STATE: o->state = optarg; break;
        case PRODUCT: o->product = optarg; break;
        case HARDWARE: o->hardware = optarg; break;
        case MAX: o->max_image = (uint32_t)strtoul(optarg, NULL, 10); break;
        case VERSION: o->version = optarg; break;
        case VERSIONC: o->version_command = optarg; break;
        case INSTALL: o->install = optarg; break;
        case KEEP: o->keep_command = optarg; break;
        case RESTART: o->restart_command = optarg; break;
        case TEST: o->self_test = optarg; break;
        case TRIAL: o->trial = (unsigned)atoi(optarg); break;
        case BUSY: o->busy_file = optarg; break;
        case COMMAND: o->command = optarg; break;
        case HELP: fputs(usage, stdout); exit(0);
        default: exit(2);
        }
    }
    if (optind < argc) {
        wrong("arguments that are not options");
    }
    if (o->host == NULL || o->id == NULL) {
        wrong("--host and --id are needed");
    }
    if (o->install == NULL) {
        wrong("--install is needed");
    }
    if (o->port == 0) {
        o->port = o->cafile != NULL ? 8883 : 1883;
    }
    read_secret(o, secret_file);
    if (strcmp(o->install, "rauc") == 0) {
        o->install = "command:rauc install \"$1\"";
        o->keep_command = o->keep_command != NULL ? o->keep_command : "rauc status mark-good";
        o->restart_command = o->restart_command != NULL ? o->restart_command : "systemctl reboot";
    } else if (strcmp(o->install, "swupdate") == 0) {
        o->install = "command:swupdate -i \"$1\"";
        o->restart_command = o->restart_command != NULL ? o->restart_command : "systemctl reboot";
    } else if (strncmp(o->install, "file:", 5) != 0 && strncmp(o->install, "command:", 8) != 0) {
        wrong("--install is file:PATH, command:CMD, rauc or swupdate");
    } else {
        return;
    }
    if (o->version == NULL && o->version_command == NULL) {
        o->version_command = ". /etc/os-release && echo \"$VERSION_ID\"";
    }
}
