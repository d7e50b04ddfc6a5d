"""A tree of source files, its archive and its repository, for the workloads of scripts/bench: the same in every run."""

import os
import random
import subprocess

SEED = 3
FILES_OF_A_FOLDER = 20
FOLDERS_OF_A_FOLDER = 10
BYTES_MEDIAN = 3000
BYTES_MAX = 200_000
TEXT_BYTES = 1 << 20
LIMIT_S = 120
GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0",
       "-c", "init.defaultBranch=main")
# What the user's own settings say does not matter, and the commit is the same each time.
GIT_ENVIRONMENT = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_AUTHOR_DATE": "1000000000 +0000",
                   "GIT_COMMITTER_DATE": "1000000000 +0000"}


def git_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | GIT_ENVIRONMENT


def text(source):
    """TEXT_BYTES of lines of words, of which the files are pieces."""
    words = ["".join(source.choices("abcdefghijklmnopqrstuvwxyz_", k=source.randint(2, 10))) for _ in range(2000)]
    lines = []
    size = 0
    while size < TEXT_BYTES:
        lines.append(" " * 4 * source.randint(0, 4) + " ".join(source.choices(words, k=source.randint(2, 12))) + ";\n")
        size += len(lines[-1])
    return "".join(lines).encode("ascii")


def folder_of(number):
    """Folders lie in one another, FOLDERS_OF_A_FOLDER in each of the upper ones."""
    upper, lower = divmod(number, FOLDERS_OF_A_FOLDER)
    return os.path.join(f"part{upper}", f"group{lower}")


def make_files(folder, count):
    """Makes `count` files below `folder`; their sizes are spread as those of source files are."""
    source = random.Random(SEED)
    whole = text(source)
    for number in range(count):
        place = os.path.join(folder, folder_of(number // FILES_OF_A_FOLDER))
        os.makedirs(place, exist_ok=True)
        size = min(int(source.lognormvariate(0, 1.2) * BYTES_MEDIAN), BYTES_MAX)
        at = source.randrange(len(whole) - BYTES_MAX)
        with open(os.path.join(place, f"file{number}.c"), "wb") as file:
            file.write(whole[at : at + size])


def command(*words, **options):
    subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=LIMIT_S, **options)


class SourceTree:
    """`count` files in the folder `files`, the file `archive` of them; all in `base`."""

    def __init__(self, base, count):
        self.count = count
        self.base = str(base)
        self.files = os.path.join(self.base, "source")
        self.archive = os.path.join(self.base, "source.tar")
        self.made_repository = None
        os.mkdir(self.files)
        make_files(self.files, count)
        command("tar", "--sort=name", "-cf", self.archive, "-C", self.files, ".")
        os.sync()  # what is written back later would disturb the measurements

    def repository(self):
        """A bare repository of the files, made when it is first wanted."""
        if self.made_repository is None:
            place = os.path.join(self.base, "source.git")
            git = (*GIT, f"--git-dir={place}", f"--work-tree={self.files}")
            command(*git, "init", "-q", env=git_environment())
            command(*git, "add", ".", env=git_environment())
            command(*git, "commit", "-q", "-m", "Source files", env=git_environment())
            command(*git, "repack", "-adq", env=git_environment())
            os.sync()
            self.made_repository = place
        return self.made_repository
