# flawcast with all commands, for a machine or as a node of a cluster (see compose.yaml):
#   docker build -t flawcast .
#   docker build -t flawcast:cuda --build-arg TORCH_BUILD=cu130 .
#   docker run --rm -v "$PWD:/data" flawcast generate clips --store store
ARG PYTHON=3.11
FROM python:${PYTHON}-slim AS build

# The build of PyTorch: cpu, or a CUDA version such as cu130 (the machine then needs its driver and
# the NVIDIA container toolkit, and `docker run --gpus all`).
ARG TORCH_BUILD=cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source

RUN python -m venv /opt/flawcast
ENV PATH=/opt/flawcast/bin:$PATH
# PyTorch comes first, and alone: a change of the code does not fetch it again.
COPY constraints.txt ./
RUN pip install --constraint constraints.txt --extra-index-url \
    "https://download.pytorch.org/whl/${TORCH_BUILD}" "torch==2.13.0"
COPY . .
RUN pip install --constraint constraints.txt ".[all]"

FROM python:${PYTHON}-slim
# The virtual environment has its own libraries for video and pictures; nothing else is needed.
COPY --from=build /opt/flawcast /opt/flawcast
ENV PATH=/opt/flawcast/bin:$PATH HOME=/home/flawcast
# A named volume takes over the owner of the folder that it is mounted on.
RUN useradd --create-home --uid 1000 flawcast && \
    mkdir /data /home/flawcast/.prefect && chown flawcast /data /home/flawcast/.prefect
USER 1000
WORKDIR /data
ENTRYPOINT ["flawcast"]
CMD ["--help"]
